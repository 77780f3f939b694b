"""Tables of the floor. Portable columns: BIGINT milliseconds since 1970, prices in hundredths, TEXT for JSON.

`occupancy` holds what keeps a dining table from being booked: bookings with the cleaning time behind them, and
closures. Two bookings never overlap, nor a booking and a closure; the migration has the constraints, which are
exclusion constraints on PostgreSQL and triggers on SQLite.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from bookwell.tables.floor.rules import TableType
from bookwell.tables.schema import id_column, metadata

__all__ = ["closure", "dining_table", "occupancy", "restaurant", "table_price"]

_BOOKED, _CLOSED = text("kind = 'booking'"), text("kind = 'closure'")
_OF_CLOSURE = text("closure_id IS NOT NULL")
_TYPES = ", ".join(f"'{kind.value}'" for kind in TableType)


# One row, 1: `settings` is a `rules.House` as JSON; its lock stands for the whole floor.
restaurant = Table(
    "restaurant",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("settings", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# `active_name` is the name while the table is in use, so that two in use never share one.
dining_table = Table(
    "dining_table",
    metadata,
    id_column(),
    Column("name", String(100), nullable=False),
    Column("active_name", String(100)),
    Column("table_type", String(16), nullable=False),
    Column("seats", Integer, nullable=False),
    Column("can_be_booked", Boolean, nullable=False),
    Column("retired_at", BigInteger),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("active_name", name="dining_table_name"),
    CheckConstraint(f"table_type IN ({_TYPES})", name="dining_table_type"),
    CheckConstraint("seats > 0", name="dining_table_seats"),
    Index("dining_table_fit", "seats", "id"),
    sqlite_autoincrement=True,
)

table_price = Table(
    "table_price",
    metadata,
    Column("table_id", BigInteger, primary_key=True, autoincrement=False),
    Column("valid_from", BigInteger, primary_key=True, autoincrement=False),
    Column("price", BigInteger, nullable=False),
    ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="table_price_table"),
    CheckConstraint("price >= 0", name="table_price_amount"),
)

# Without a table it is the whole restaurant's. When, by whom and why it was taken back is in `opened_…`.
closure = Table(
    "closure",
    metadata,
    id_column(),
    Column("table_id", BigInteger),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("opened_at", BigInteger),
    Column("opened_by", String(64), nullable=False, server_default=""),
    Column("opened_reason", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="closure_table"),
    CheckConstraint("starts_at < ends_at", name="closure_period"),
    Index("closure_ahead", "ends_at"),
    sqlite_autoincrement=True,
)

occupancy = Table(
    "occupancy",
    metadata,
    id_column(),
    Column("table_id", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("booking_id", BigInteger),
    Column("closure_id", BigInteger),
    ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="occupancy_table"),
    ForeignKeyConstraint(["closure_id"], ["closure.id"], name="occupancy_closure"),
    UniqueConstraint("booking_id", name="occupancy_booking"),
    CheckConstraint("starts_at < ends_at", name="occupancy_period"),
    CheckConstraint(
        "(kind = 'booking' AND booking_id IS NOT NULL AND closure_id IS NULL)"
        " OR (kind = 'closure' AND closure_id IS NOT NULL AND booking_id IS NULL)",
        name="occupancy_kind",
    ),
    Index("occupancy_when", "table_id", "ends_at", "starts_at"),
    Index("occupancy_of_closure", "closure_id", postgresql_where=_OF_CLOSURE, sqlite_where=_OF_CLOSURE),
    Index("occupancy_booked", "starts_at", "ends_at", "table_id", postgresql_where=_BOOKED, sqlite_where=_BOOKED),
    Index("occupancy_closed", "table_id", "ends_at", "starts_at", postgresql_where=_CLOSED, sqlite_where=_CLOSED),
)

"""Tables of bookings, beside the floor's. Portable columns, as there."""

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
    select,
    text,
)
from sqlalchemy.types import CHAR

from bookwell.kit.adapters.sqlalchemy.outbox import outbox_columns
from bookwell.tables.bookings.rules import State
from bookwell.tables.floor.models import dining_table
from bookwell.tables.schema import id_column, metadata

__all__ = ["booking", "booking_at_table", "booking_step", "guest_token", "outbox", "reminder_link", "reminder_opt_out"]

_UNPLACED = text("position IS NULL")
_WAITS = text(f"state = '{State.REQUESTED.value}'")
_HAS_DEADLINE = text("decide_by IS NOT NULL")
_HAS_HALF_WAY = text("escalate_at IS NOT NULL")
_STATES = ", ".join(f"'{state.value}'" for state in State)

# `price` is the table's when the order was made. `slot_taken` flags a waiting order whose table is not free any more.
# `decide_by` is set while an order waits. `decided` is on `decided_version`, the one that the employee saw.
# `cleared_at` is when what was personal in it was removed. `mailbox` is what the guest's orders are counted by: the
# address without what only sorts its mail.
booking = Table(
    "booking",
    metadata,
    id_column(),
    Column("table_id", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("time_zone", String(64), nullable=False),
    Column("party_size", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("name", String(200), nullable=False),
    Column("email", String(320), nullable=False),
    Column("phone", String(32), nullable=False),
    Column("comment", Text, nullable=False),
    Column("locale", String(16), nullable=False),
    Column("from_address", String(64), nullable=False),
    Column("made_by", String(64), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("slot_taken", Boolean, nullable=False),
    Column("decide_by", BigInteger),
    Column("escalate_at", BigInteger),
    Column("decided", String(8)),
    Column("decided_version", BigInteger, nullable=False),
    Column("backoffice_ref", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("reminded_at", BigInteger),
    Column("cleared_at", BigInteger),
    Column("mailbox", String(320), nullable=False, server_default=""),
    ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="booking_table"),
    CheckConstraint(f"state IN ({_STATES})", name="booking_state"),
    CheckConstraint("starts_at < ends_at", name="booking_period"),
    CheckConstraint("(state = 'requested') = (decide_by IS NOT NULL)", name="booking_deadline"),
    Index("booking_of_table", "table_id", "state", "starts_at"),
    Index("booking_board", "state", "starts_at", "id"),
    Index("booking_waiting", "decide_by", postgresql_where=_HAS_DEADLINE, sqlite_where=_HAS_DEADLINE),
    Index("booking_escalation", "escalate_at", postgresql_where=_HAS_HALF_WAY, sqlite_where=_HAS_HALF_WAY),
    Index("booking_mailbox", "mailbox", postgresql_where=_WAITS, sqlite_where=_WAITS),
    Index("booking_phone", "phone", postgresql_where=_WAITS, sqlite_where=_WAITS),
    Index("booking_address", "from_address", postgresql_where=_WAITS, sqlite_where=_WAITS),
    Index("booking_clearing", "cleared_at", "ends_at"),
    sqlite_autoincrement=True,
)

# A booking with what is told of its table. The table comes first, so that it is locked first where both are.
booking_at_table = select(
    booking,
    dining_table.c.name.label("table_name"),
    dining_table.c.table_type,
    dining_table.c.seats.label("table_seats"),
).select_from(dining_table.join(booking, booking.c.table_id == dining_table.c.id))

# Who changed a booking, when and why; `version` is the one that the step made.
booking_step = Table(
    "booking_step",
    metadata,
    Column("booking_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("action", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    ForeignKeyConstraint(["booking_id"], ["booking.id"], name="booking_step_booking"),
)

# `digest` is the SHA-256 of what the guest holds, in hexadecimal.
guest_token = Table(
    "guest_token",
    metadata,
    Column("digest", CHAR(64), primary_key=True),
    Column("booking_id", BigInteger, nullable=False),
    Column("purpose", String(8), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    ForeignKeyConstraint(["booking_id"], ["booking.id"], name="guest_token_booking"),
    Index("guest_token_of_booking", "booking_id"),
    Index("guest_token_expiry", "expires_at"),
)

# What ends reminders. `digest` is the SHA-256 of what the guest holds; the contact's is under a pad made of the same.
reminder_link = Table(
    "reminder_link",
    metadata,
    Column("digest", CHAR(64), primary_key=True),
    Column("sealed_contact", CHAR(64), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("reminder_link_expiry", "expires_at"),
)

# Who wants no reminders: the SHA-256 of an e-mail address or telephone number, in hexadecimal.
reminder_opt_out = Table(
    "reminder_opt_out",
    metadata,
    Column("contact_digest", CHAR(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    *outbox_columns(),
    UniqueConstraint("event_id", "queue", name="outbox_event_queue"),
    Index("outbox_waiting", "queue", "done_at", "next_attempt_at"),
    Index("outbox_order", "aggregate", "aggregate_version"),
)

# What the back office can read: `data` is a `contracts.backoffice.BookingEvent`, `position` its place in the feed,
# none until it is given one.
feed_event = Table(
    "feed_event",
    metadata,
    id_column(),
    Column("position", BigInteger),
    Column("event_id", String(36), nullable=False),
    Column("booking_id", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("type", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
    UniqueConstraint("position", name="feed_event_position"),
    UniqueConstraint("booking_id", "version", name="feed_event_version"),
    Index("feed_event_unplaced", "id", postgresql_where=_UNPLACED, sqlite_where=_UNPLACED),
    sqlite_autoincrement=True,
)

# One row, 1: the last place given, and the last that is forgotten.
feed_head = Table(
    "feed_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("forgotten", BigInteger, nullable=False),
)

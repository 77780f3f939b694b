"""Reads of the floor. Instants go in and out as aware datetimes, prices in hundredths."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, exists, func, literal_column, or_, select

from bookwell.kit.adapters.sqlalchemy.statements import Statement, ask
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.floor.errors import TableNotFound
from bookwell.tables.floor.models import closure, dining_table, occupancy, restaurant, table_price
from bookwell.tables.floor.rules import FOREVER, LONGEST_BUFFER, LONGEST_SLOT, House, TableType

__all__ = [
    "PRICE",
    "SETTINGS",
    "DiningTable",
    "Wish",
    "get_house",
    "get_table",
    "house_of",
    "is_held",
    "is_held_by_others",
    "list_closures",
    "list_tables",
]

_DEFAULT_LIMIT = 1000

SETTINGS = select(restaurant.c.settings).where(restaurant.c.id == 1).scalar_subquery()
"""The text of the restaurant's settings, for `house_of`."""

_PRICE = (
    select(table_price.c.price)
    .where(table_price.c.table_id == dining_table.c.id, table_price.c.valid_from <= bindparam("now"))
    .order_by(table_price.c.valid_from.desc())
    .limit(1)
    .correlate(dining_table)
    .scalar_subquery()
)
PRICE = func.coalesce(_PRICE, 0)
"""What a row of `dining_table` costs at `:now`, in hundredths; 0 before its first price."""


def is_held(table_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a row of `occupancy` holds a table at some time in `[:starts_at, :held_until)`."""
    return and_(
        occupancy.c.table_id == table_id,
        occupancy.c.starts_at < bindparam("held_until", type_=BigInteger),
        occupancy.c.ends_at > bindparam("starts_at", type_=BigInteger),
    )


_IS_BOOKED, _IS_CLOSED = (occupancy.c.kind == literal_column(f"'{kind}'") for kind in ("booking", "closure"))


def _is_closed_for_good(table_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a row of `occupancy` is a closure of a table that has begun `:now` and has no end."""
    return and_(
        occupancy.c.table_id == table_id,
        _IS_CLOSED,
        occupancy.c.starts_at <= bindparam("now", type_=BigInteger),
        occupancy.c.ends_at >= milliseconds(FOREVER),
    )


# All at once, because a search looks at every table: what each costs, and which of them bookings hold. Those are found
# by their start, which lies at most the longest time back that a booking may hold a table.
_places = (
    select(
        table_price.c.table_id,
        table_price.c.price,
        func.row_number()
        .over(partition_by=table_price.c.table_id, order_by=table_price.c.valid_from.desc())
        .label("place"),
    )
    .where(table_price.c.valid_from <= bindparam("now"))
    .subquery()
)
_latest = select(_places.c.table_id, _places.c.price).where(_places.c.place == literal_column("1")).subquery()
_LONGEST_HOLD = (LONGEST_SLOT + LONGEST_BUFFER) // dt.timedelta(milliseconds=1)
_STARTS_AT = bindparam("starts_at", type_=BigInteger)
_BOOKED = select(occupancy.c.table_id).where(
    _IS_BOOKED,
    occupancy.c.starts_at > _STARTS_AT - literal_column(str(_LONGEST_HOLD)),
    occupancy.c.starts_at < bindparam("held_until", type_=BigInteger),
    occupancy.c.ends_at > _STARTS_AT,
)

# Statements are built once: making one takes as long as sending it.
_HOUSE = Statement(select(SETTINGS.label("settings")))
_TABLES = select(dining_table, PRICE.label("price"))
_TABLE = _TABLES.where(dining_table.c.id == bindparam("table_id"))
_HELD_BY_OTHERS = (
    select(occupancy.c.id)
    .where(
        is_held(bindparam("table_id", type_=BigInteger)),
        or_(occupancy.c.booking_id.is_(None), occupancy.c.booking_id != bindparam("booking_id")),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class DiningTable:
    """A table as people see it: a `TableType`'s value, the price of the moment in hundredths."""

    id: int
    name: str
    table_type: str
    seats: int
    price: int
    can_be_booked: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What a guest looks for; `seats` at least, bounds of the price inclusive, free in `[starts_at, ends_at)`.

    `ends_at` has the cleaning time in it.
    """

    table_type: TableType | None = None
    seats: int = 1
    price_min: int | None = None
    price_max: int | None = None
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None


def get_house(connection: Connection) -> House:
    """The restaurant's settings."""
    ((settings,),) = ask(connection, _HOUSE())
    return house_of(settings)


@lru_cache(maxsize=8)
def house_of(settings: str | None) -> House:
    """The settings that a text says; without one, those that a restaurant begins with. Each text is read once."""
    return House.model_validate_json(settings) if settings else House()


def get_table(connection: Connection, table_id: int, *, now: dt.datetime) -> DiningTable:
    """One table, retired or not.

    Raises:
        TableNotFound: if there never was one of that id.
    """
    row = connection.execute(_TABLE, {"table_id": table_id, "now": milliseconds(now)}).one_or_none()
    if row is None:
        raise TableNotFound
    return _table_of(row)


def list_tables(
    connection: Connection, wish: Wish, *, now: dt.datetime, limit: int = _DEFAULT_LIMIT
) -> Sequence[DiningTable]:
    """Tables that can be booked and meet the wish, the smallest fit first.

    Without a time, those that may be free at some time: all but what is closed for good.
    """
    values = {
        "table_type": wish.table_type,
        "seats": wish.seats,
        "price_min": wish.price_min,
        "price_max": wish.price_max,
        "starts_at": milliseconds(wish.starts_at) if wish.starts_at else None,
        "held_until": milliseconds(wish.ends_at) if wish.ends_at else None,
    }
    given = {name: value for name, value in values.items() if value is not None}
    asked = _search(frozenset(given))(**given, now=milliseconds(now), most=limit)
    return [_table_of(row) for row in ask(connection, asked)]


def is_held_by_others(
    connection: Connection, table_id: int, *, starts_at: dt.datetime, ends_at: dt.datetime, booking_id: int
) -> bool:
    """Whether a closure, or a booking other than one, holds the table at some time in `[starts_at, ends_at)`."""
    place = {"table_id": table_id, "starts_at": milliseconds(starts_at), "held_until": milliseconds(ends_at)}
    return connection.execute(_HELD_BY_OTHERS, {**place, "booking_id": booking_id}).first() is not None


def list_closures(
    connection: Connection, *, table_id: int | None, starts_at: dt.datetime, ends_at: dt.datetime
) -> Sequence[Any]:
    """Closures of a table, or of the whole restaurant (None), that stand at some time in `[starts_at, ends_at)`."""
    whose = closure.c.table_id.is_(None) if table_id is None else closure.c.table_id == table_id
    when = and_(closure.c.starts_at < milliseconds(ends_at), closure.c.ends_at > milliseconds(starts_at))
    chosen = select(closure).where(whose, closure.c.opened_at.is_(None), when)
    return connection.execute(chosen.order_by(closure.c.starts_at, closure.c.id)).all()


@lru_cache
def _search(given: frozenset[str]) -> Statement:
    """The statement of a search that says these things; it has as many forms as there are sets of them."""
    tables, price = dining_table.c, func.coalesce(_latest.c.price, 0)
    conditions: dict[str, ColumnElement[bool]] = {
        "table_type": tables.table_type == bindparam("table_type"),
        "seats": tables.seats >= bindparam("seats"),
        "price_min": price >= bindparam("price_min"),
        "price_max": price <= bindparam("price_max"),
        "held_until": and_(tables.id.not_in(_BOOKED), ~exists().where(_IS_CLOSED, is_held(tables.id))),
    }
    wanted = [condition for name, condition in conditions.items() if name in given]
    if "held_until" not in given:
        wanted.append(~exists().where(_is_closed_for_good(tables.id)))
    columns = (tables.id, tables.name, tables.table_type, tables.seats, price.label("price"), tables.can_be_booked)
    chosen = select(*columns).outerjoin_from(dining_table, _latest, _latest.c.table_id == tables.id)
    chosen = chosen.where(tables.retired_at.is_(None), tables.can_be_booked, *wanted)
    return Statement(chosen.order_by(tables.seats, price, tables.id).limit(bindparam("most")))


def _table_of(row: Any) -> DiningTable:
    return DiningTable(row.id, row.name, row.table_type, row.seats, row.price, row.can_be_booked)

"""Reads of the floor. Instants go in and out as aware datetimes, prices in hundredths."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Select, and_, exists, func, or_, select

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.floor.errors import TableNotFound
from bookwell.tables.floor.models import closure, dining_table, occupancy, restaurant, table_price
from bookwell.tables.floor.rules import House, TableType

__all__ = [
    "DiningTable",
    "Wish",
    "get_house",
    "get_table",
    "is_occupied",
    "list_closures",
    "list_tables",
    "price_at",
]

_DEFAULT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class DiningTable:
    """A table as people see it, with the price of the moment in hundredths."""

    id: int
    name: str
    table_type: TableType
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
    stored = connection.scalar(select(restaurant.c.settings).where(restaurant.c.id == 1))
    return House.model_validate_json(stored) if stored else House()


def get_table(connection: Connection, table_id: int, *, now: dt.datetime) -> DiningTable:
    """One table, retired or not.

    Raises:
        TableNotFound: if there never was one of that id.
    """
    row = connection.execute(_tables(now).where(dining_table.c.id == table_id)).one_or_none()
    if row is None:
        raise TableNotFound
    return _table_of(row)


def list_tables(
    connection: Connection, wish: Wish, *, now: dt.datetime, limit: int = _DEFAULT_LIMIT
) -> Sequence[DiningTable]:
    """Tables that can be booked and meet the wish, the smallest fit first."""
    tables = _tables(now).subquery()
    chosen = (
        select(tables)
        .where(tables.c.retired_at.is_(None), tables.c.can_be_booked, tables.c.seats >= wish.seats)
        .order_by(tables.c.seats, tables.c.price, tables.c.id)
        .limit(limit)
    )
    if wish.table_type:
        chosen = chosen.where(tables.c.table_type == wish.table_type)
    if wish.price_min is not None:
        chosen = chosen.where(tables.c.price >= wish.price_min)
    if wish.price_max is not None:
        chosen = chosen.where(tables.c.price <= wish.price_max)
    if wish.starts_at and wish.ends_at:
        chosen = chosen.where(~exists().where(_overlaps(tables.c.id, wish.starts_at, wish.ends_at)))
    return [_table_of(row) for row in connection.execute(chosen)]


def price_at(connection: Connection, table_id: int, *, now: dt.datetime) -> int:
    """The price of a table at a moment, in hundredths; 0 before the first."""
    return connection.scalar(select(_price(now)).where(dining_table.c.id == table_id)) or 0


def is_occupied(
    connection: Connection,
    table_id: int,
    *,
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    besides_booking: int | None = None,
) -> bool:
    """Whether a booking (other than one) or a closure holds the table at some time in `[starts_at, ends_at)`."""
    taken = select(occupancy.c.id).where(_overlaps(table_id, starts_at, ends_at))
    if besides_booking is not None:
        taken = taken.where(or_(occupancy.c.booking_id.is_(None), occupancy.c.booking_id != besides_booking))
    return connection.execute(taken.limit(1)).first() is not None


def list_closures(
    connection: Connection, *, table_id: int | None, starts_at: dt.datetime, ends_at: dt.datetime
) -> Sequence[Any]:
    """Closures of a table, or of the whole restaurant (None), that stand at some time in `[starts_at, ends_at)`."""
    whose = closure.c.table_id.is_(None) if table_id is None else closure.c.table_id == table_id
    when = and_(closure.c.starts_at < milliseconds(ends_at), closure.c.ends_at > milliseconds(starts_at))
    chosen = select(closure).where(whose, closure.c.opened_at.is_(None), when)
    return connection.execute(chosen.order_by(closure.c.starts_at, closure.c.id)).all()


def _overlaps(table_id: ColumnElement[int] | int, starts_at: dt.datetime, ends_at: dt.datetime) -> ColumnElement[bool]:
    return and_(
        occupancy.c.table_id == table_id,
        occupancy.c.starts_at < milliseconds(ends_at),
        occupancy.c.ends_at > milliseconds(starts_at),
    )


def _price(now: dt.datetime) -> ScalarSelect[int]:
    return (
        select(table_price.c.price)
        .where(table_price.c.table_id == dining_table.c.id, table_price.c.valid_from <= milliseconds(now))
        .order_by(table_price.c.valid_from.desc())
        .limit(1)
        .correlate(dining_table)
        .scalar_subquery()
    )


def _tables(now: dt.datetime) -> Select[Any]:
    return select(dining_table, func.coalesce(_price(now), 0).label("price"))


def _table_of(row: Any) -> DiningTable:
    return DiningTable(row.id, row.name, TableType(row.table_type), row.seats, row.price, row.can_be_booked)

"""Tables of the floor: add, change, price, retire."""

import datetime as dt

from sqlalchemy import Connection, delete, insert, select, update

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.floor.errors import TableNotFound, TableRetired
from bookwell.tables.floor.locks import lock_restaurant, lock_tables
from bookwell.tables.floor.models import dining_table, occupancy, table_price
from bookwell.tables.floor.queries import DiningTable, get_house, get_table, list_closures
from bookwell.tables.floor.rules import FOREVER, TableType, check_price, instant_of

__all__ = ["add_table", "retire_table_in_tx", "set_price", "update_table"]


def add_table(
    connection: Connection,
    *,
    name: str,
    table_type: TableType,
    seats: int,
    price: int,
    can_be_booked: bool,
    now: dt.datetime,
) -> DiningTable:
    """A new table, closed while the restaurant is; without a name it is called by its number.

    Raises:
        TableNameTaken: if another one in use has the name.
        PriceInvalid: for a price below zero.
    """
    check_price(price)
    lock_restaurant(connection)
    values = {"name": name, "table_type": table_type, "seats": seats, "can_be_booked": can_be_booked, "version": 1}
    added = insert(dining_table).values(**values, active_name=name or None).returning(dining_table.c.id)
    table_id = int(connection.execute(added).scalar_one())
    if not name:
        number = _free_name(connection, str(table_id))
        named = {"name": number, "active_name": number}
        connection.execute(update(dining_table).where(dining_table.c.id == table_id).values(named))
    _put_price(connection, table_id, price, now)
    for closed in list_closures(connection, table_id=None, starts_at=now, ends_at=FOREVER):
        period = {"starts_at": closed.starts_at, "ends_at": closed.ends_at, "closure_id": closed.id}
        connection.execute(insert(occupancy).values(table_id=table_id, kind="closure", **period))
    return get_table(connection, table_id, now=now)


def update_table(
    connection: Connection,
    *,
    table_id: int,
    now: dt.datetime,
    name: str | None = None,
    table_type: TableType | None = None,
    seats: int | None = None,
    can_be_booked: bool | None = None,
) -> DiningTable:
    """Change what is given; bookings that stand keep their table.

    Raises:
        TableNotFound, TableRetired: if there is none in use.
        TableNameTaken: if another one in use has the name.
    """
    _lock_in_use(connection, table_id)
    given = {"name": name, "active_name": name, "table_type": table_type, "seats": seats}
    changes = {key: value for key, value in {**given, "can_be_booked": can_be_booked}.items() if value is not None}
    changed = update(dining_table).where(dining_table.c.id == table_id)
    connection.execute(changed.values(**changes, version=dining_table.c.version + 1))
    return get_table(connection, table_id, now=now)


def set_price(
    connection: Connection, *, table_id: int, price: int, now: dt.datetime, valid_from: dt.datetime | None = None
) -> DiningTable:
    """Another price from a moment on, in hundredths; orders keep the one they were made at.

    It replaces one from that very moment on. A moment without a zone is the restaurant's wall time.

    Raises:
        TableNotFound, TableRetired: if there is none in use.
        PriceInvalid: for a price below zero.
        WallTimeMissing, WallTimeAmbiguous: if the restaurant's clocks do not show the time once.
    """
    check_price(price)
    _lock_in_use(connection, table_id)
    moment = instant_of(valid_from, get_house(connection).zone) if valid_from else now
    _put_price(connection, table_id, price, moment)
    return get_table(connection, table_id, now=now)


def retire_table_in_tx(connection: Connection, *, table_id: int, now: dt.datetime) -> None:
    """Take a locked table out of use; its bookings were ended before."""
    retired = {"retired_at": milliseconds(now), "active_name": None, "version": dining_table.c.version + 1}
    connection.execute(update(dining_table).where(dining_table.c.id == table_id).values(retired))


def _free_name(connection: Connection, number: str) -> str:
    """The number, unless somebody has given it to another table as its name."""
    taken = set(
        connection.scalars(select(dining_table.c.active_name).where(dining_table.c.active_name.like(f"{number}%")))
    )
    candidates = (number, *(f"{number}.{count}" for count in range(1, len(taken) + 1)))
    return next(name for name in candidates if name not in taken)


def _put_price(connection: Connection, table_id: int, price: int, valid_from: dt.datetime) -> None:
    moment = {"table_id": table_id, "valid_from": milliseconds(valid_from)}
    same = (table_price.c.table_id == table_id) & (table_price.c.valid_from == moment["valid_from"])
    connection.execute(delete(table_price).where(same))
    connection.execute(insert(table_price).values(**moment, price=price))


def _lock_in_use(connection: Connection, table_id: int) -> None:
    row = lock_tables(connection, [table_id]).get(table_id)
    if row is None:
        raise TableNotFound
    if row.retired_at is not None:
        raise TableRetired

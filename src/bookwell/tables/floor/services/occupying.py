"""What keeps tables from being booked: bookings and closures. The tables are locked by whoever calls."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.floor.models import closure, occupancy

__all__ = ["close_in_tx", "occupy_in_tx", "open_in_tx", "release_in_tx"]


def occupy_in_tx(
    connection: Connection, *, table_id: int, booking_id: int, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Let a booking hold a table, in place of what it held before.

    Raises:
        IntegrityError: `occupancy_bookings` or `occupancy_closures`, if something else holds it.
    """
    release_in_tx(connection, booking_ids=[booking_id])
    period = {"starts_at": milliseconds(starts_at), "ends_at": milliseconds(ends_at)}
    connection.execute(insert(occupancy).values(table_id=table_id, kind="booking", booking_id=booking_id, **period))


def release_in_tx(connection: Connection, *, booking_ids: Sequence[int]) -> None:
    """Give free what bookings hold."""
    connection.execute(delete(occupancy).where(occupancy.c.booking_id.in_(booking_ids)))


def close_in_tx(
    connection: Connection,
    *,
    table_ids: Sequence[int],
    is_restaurant: bool,
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    reason: str,
    actor: str,
    now: dt.datetime,
) -> int:
    """A closure of one table, or of the restaurant with all of its tables; the id. Bookings in it were ended before."""
    period = {"starts_at": milliseconds(starts_at), "ends_at": milliseconds(ends_at)}
    told = {"reason": reason, "actor": actor, "created_at": milliseconds(now)}
    table_id = None if is_restaurant else table_ids[0]
    made = insert(closure).values(table_id=table_id, **period, **told).returning(closure.c.id)
    closure_id = int(connection.execute(made).scalar_one())
    rows = [{"table_id": each, "kind": "closure", "closure_id": closure_id, **period} for each in table_ids]
    if rows:
        connection.execute(insert(occupancy), rows)
    return closure_id


def open_in_tx(connection: Connection, *, table_id: int | None, now: dt.datetime) -> int:
    """Take back what is not over of the closures of a table, or of the restaurant (None): how many."""
    instant = milliseconds(now)
    whose = closure.c.table_id.is_(None) if table_id is None else closure.c.table_id == table_id
    standing = select(closure.c.id).where(whose, closure.c.opened_at.is_(None), closure.c.ends_at > instant)
    ids = list(connection.scalars(standing))
    connection.execute(update(closure).where(closure.c.id.in_(ids)).values(opened_at=instant))
    connection.execute(delete(occupancy).where(occupancy.c.closure_id.in_(ids)))
    return len(ids)

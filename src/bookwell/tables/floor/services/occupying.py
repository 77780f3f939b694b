"""What keeps tables from being booked: bookings and closures. The tables are locked by whoever calls.

A closure leaves out the time of guests who have their table already, and takes it as soon as they give it free.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.floor.models import closure, occupancy
from bookwell.tables.floor.rules import Period, shared, without

__all__ = ["close_in_tx", "hold_in_tx", "occupy_in_tx", "release_in_tx"]

_HOLD = Statement(insert(occupancy).inline())


def hold_in_tx(
    connection: Connection, *, table_id: int, booking_id: int, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Let a booking that holds nothing hold a table that is free then.

    Raises:
        IntegrityError: `occupancy_bookings` or `occupancy_closures`, if something does; with the COMMIT at the latest.
    """
    period = {"starts_at": milliseconds(starts_at), "ends_at": milliseconds(ends_at)}
    send_later(connection, _HOLD(table_id=table_id, kind="booking", booking_id=booking_id, **period))


def occupy_in_tx(
    connection: Connection, *, table_id: int, booking_id: int, starts_at: dt.datetime, ends_at: dt.datetime
) -> None:
    """Let a booking hold a table, in place of what it held before.

    Raises:
        IntegrityError: `occupancy_bookings` or `occupancy_closures`, if something else holds it.
    """
    release_in_tx(connection, booking_ids=[booking_id])
    hold_in_tx(connection, table_id=table_id, booking_id=booking_id, starts_at=starts_at, ends_at=ends_at)


def release_in_tx(connection: Connection, *, booking_ids: Sequence[int]) -> None:
    """Give free what bookings hold; a closure that stands takes it."""
    freed = delete(occupancy).where(occupancy.c.booking_id.in_(booking_ids))
    held = freed.returning(occupancy.c.table_id, occupancy.c.starts_at, occupancy.c.ends_at)
    for row in connection.execute(held).all():
        _let_closures_in(connection, row)


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
    period: dict[str, int] = {"starts_at": milliseconds(starts_at), "ends_at": milliseconds(ends_at)}
    told = {"reason": reason, "actor": actor, "created_at": milliseconds(now)}
    table_id = None if is_restaurant else table_ids[0]
    made = insert(closure).values(table_id=table_id, **period, **told).returning(closure.c.id)
    closure_id = int(connection.execute(made).scalar_one())
    held = _list_held(connection, table_ids, **period)
    free = {each: without((period["starts_at"], period["ends_at"]), held[each]) for each in table_ids}
    _keep_closed(connection, closure_id, [(each, piece) for each in table_ids for piece in free[each]])
    return closure_id


def _list_held(
    connection: Connection, table_ids: Collection[int], *, starts_at: int, ends_at: int
) -> dict[int, list[Period]]:
    """The times of bookings that stay, by table, the first one first."""
    chosen = select(occupancy).where(
        occupancy.c.table_id.in_(sorted(table_ids)),
        occupancy.c.kind == "booking",
        occupancy.c.starts_at < ends_at,
        occupancy.c.ends_at > starts_at,
    )
    held: dict[int, list[Period]] = defaultdict(list)
    for row in connection.execute(chosen.order_by(occupancy.c.starts_at)):
        held[row.table_id].append((row.starts_at, row.ends_at))
    return held


def _let_closures_in(connection: Connection, freed: Any) -> None:
    standing = select(closure).where(
        or_(closure.c.table_id.is_(None), closure.c.table_id == freed.table_id),
        closure.c.opened_at.is_(None),
        closure.c.starts_at < freed.ends_at,
        closure.c.ends_at > freed.starts_at,
    )
    for row in connection.execute(standing).all():
        piece = shared((row.starts_at, row.ends_at), (freed.starts_at, freed.ends_at))
        _keep_closed(connection, row.id, [(freed.table_id, piece)])


def _keep_closed(connection: Connection, closure_id: int, pieces: Sequence[tuple[int, Period]]) -> None:
    rows = [
        {"table_id": table_id, "kind": "closure", "closure_id": closure_id, "starts_at": piece[0], "ends_at": piece[1]}
        for table_id, piece in pieces
    ]
    if rows:
        connection.execute(insert(occupancy), rows)

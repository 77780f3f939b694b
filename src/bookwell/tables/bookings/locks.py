"""Row locks of bookings. A booking is locked behind its table, so that one table's changes stand in one line."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from bookwell.kit.idempotency import TryAgain
from bookwell.tables.bookings.errors import BookingNotFound
from bookwell.tables.bookings.models import booking, feed_head
from bookwell.tables.floor.locks import lock_tables

__all__ = ["lock_booking", "lock_bookings", "lock_contact", "lock_feed"]

_MOVES = 3


def lock_booking(connection: Connection, booking_id: int, *, and_table: int | None = None) -> Row[Any]:
    """A booking with its table, and with another one where it is to go.

    Raises:
        BookingNotFound: if there is none of that id.
        TryAgain: if others keep moving it.
    """
    for _ in range(_MOVES):
        table_id = connection.scalar(select(booking.c.table_id).where(booking.c.id == booking_id))
        if table_id is None:
            raise BookingNotFound
        lock_tables(connection, [table_id] if and_table is None else [table_id, and_table])
        chosen = select(booking).where(booking.c.id == booking_id, booking.c.table_id == table_id)
        row = connection.execute(chosen.with_for_update()).one_or_none()
        if row is not None:
            return row
    raise TryAgain


def lock_bookings(connection: Connection, booking_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Bookings whose tables are locked."""
    chosen = select(booking).where(booking.c.id.in_(booking_ids)).order_by(booking.c.id)
    return connection.execute(chosen.with_for_update()).all()


def lock_contact(connection: Connection, keys: Sequence[str]) -> None:
    """Orders of one contact or address are counted one after another. SQLite's writers are in one line anyway."""
    if connection.dialect.name != "postgresql":
        return
    numbers = [int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True) for key in keys]
    for number in sorted(numbers):
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def lock_feed(connection: Connection) -> Row[Any]:
    """Nobody else gives events their places meanwhile. Always the last lock of a transaction."""
    return connection.execute(select(feed_head).with_for_update()).one()

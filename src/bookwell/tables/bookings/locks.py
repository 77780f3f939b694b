"""Row locks of bookings. A booking is locked behind its table, so that one table's changes stand in one line."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, select

from bookwell.kit.adapters.sqlalchemy.statements import Asked, Statement, ask, ask_together, send_later
from bookwell.kit.idempotency import TryAgain
from bookwell.tables.bookings.errors import BookingNotFound
from bookwell.tables.bookings.models import booking, booking_at_table, feed_head
from bookwell.tables.floor.locks import lock_tables

__all__ = ["lock_booking", "lock_booking_and_ask", "lock_bookings", "lock_contact", "lock_feed"]

_MOVES = 3
_ONE = booking_at_table.where(booking.c.id == bindparam("booking_id")).with_for_update()
_LOCKED = Statement(_ONE)
_LOCKED_THERE = Statement(_ONE.where(booking.c.table_id == bindparam("table_id")))
_TABLE_ID = Statement(select(booking.c.table_id).where(booking.c.id == bindparam("booking_id")))


def lock_booking(connection: Connection, booking_id: int, *, and_table: int | None = None) -> Any:
    """A booking with its table, and with another one where it is to go.

    Raises:
        BookingNotFound: if there is none of that id.
        TryAgain: if others keep moving it.
    """
    for _ in range(_MOVES):
        rows = _lock(connection, booking_id) if and_table is None else _lock_both(connection, booking_id, and_table)
        if rows:
            return rows[0]
        _get_table_id(connection, booking_id)
    raise TryAgain


def lock_booking_and_ask(connection: Connection, booking_id: int, behind: Asked) -> tuple[Any, Any]:
    """A booking with its table, and the one row that is asked for behind the lock.

    Raises:
        BookingNotFound, TryAgain: as `lock_booking`.
    """
    for _ in range(_MOVES):
        rows, answers = ask_together(connection, _LOCKED(booking_id=booking_id), behind)
        if rows:
            return rows[0], answers[0]
        _get_table_id(connection, booking_id)
    raise TryAgain


def lock_bookings(connection: Connection, booking_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Bookings whose tables are locked."""
    chosen = booking_at_table.where(booking.c.id.in_(booking_ids)).order_by(booking.c.id)
    return connection.execute(chosen.with_for_update()).all()


def lock_contact(connection: Connection, keys: Sequence[str]) -> None:
    """Orders of one contact or address are counted one after another. SQLite's writers are in one line anyway."""
    if connection.dialect.name != "postgresql":
        return
    numbers = [int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big", signed=True) for key in keys]
    if numbers:
        send_later(connection, _lock_numbers(len(numbers))(**{f"number_{i}": n for i, n in enumerate(sorted(numbers))}))


def lock_feed(connection: Connection) -> Row[Any]:
    """Nobody else gives events their places meanwhile. Always the last lock of a transaction."""
    return connection.execute(select(feed_head).with_for_update()).one()


def _lock(connection: Connection, booking_id: int) -> Sequence[Any]:
    """None where it has left its table meanwhile, or there is no such booking."""
    return ask(connection, _LOCKED(booking_id=booking_id))


def _lock_both(connection: Connection, booking_id: int, and_table: int) -> Sequence[Any]:
    table_id = _get_table_id(connection, booking_id)
    lock_tables(connection, [table_id, and_table])
    return ask(connection, _LOCKED_THERE(booking_id=booking_id, table_id=table_id))


def _get_table_id(connection: Connection, booking_id: int) -> int:
    rows = ask(connection, _TABLE_ID(booking_id=booking_id))
    if not rows:
        raise BookingNotFound
    return int(rows[0].table_id)


@lru_cache
def _lock_numbers(count: int) -> Statement:
    """PostgreSQL takes them in the order in which they are written, which is the same for all."""
    numbers = [bindparam(f"number_{i}", type_=BigInteger) for i in range(count)]
    return Statement(
        select(*(func.pg_advisory_xact_lock(number).label(f"lock_{i}") for i, number in enumerate(numbers)))
    )

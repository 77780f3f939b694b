"""Orders that nobody decides: staff are reminded half way, then the guest is told that nobody answered.

Each is done in a transaction of its own, so that one of them never holds up the rest.
"""

import datetime as dt

import structlog
from sqlalchemy import Connection, update

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.locks import lock_booking
from bookwell.tables.bookings.models import booking
from bookwell.tables.bookings.queries import list_to_escalate, list_waiting_past
from bookwell.tables.bookings.rules import Actor, State
from bookwell.tables.bookings.services.changing import end_in_tx
from bookwell.tables.bookings.services.telling import tell_guest_in_tx, tell_staff_in_tx
from bookwell.tables.floor.queries import get_house

__all__ = ["escalate_order", "expire_order", "list_escalatable", "list_expirable"]

_AT_ONCE = 100

_log = structlog.get_logger()


def list_expirable(connection: Connection, *, now: dt.datetime, limit: int = _AT_ONCE) -> list[int]:
    """Ids of orders for `expire_order`, those past their deadline the longest first."""
    return list(list_waiting_past(connection, now=now, limit=limit))


def expire_order(connection: Connection, *, booking_id: int, public_url: str, now: dt.datetime) -> bool:
    """End an order that nobody decided in time, and say so; False if it was decided or moved meanwhile.

    Raises:
        BookingNotFound: if there is none.
    """
    booked = lock_booking(connection, booking_id)
    if booked.decide_by is None or booked.decide_by > milliseconds(now):
        return False
    expired = end_in_tx(connection, booked, state=State.EXPIRED, actor=Actor("system"), reason="", now=now)
    house = get_house(connection)
    tell_guest_in_tx(
        connection, "booking.expired", expired, house=house, public_url=public_url, now=now, ended_by="system"
    )
    return True


def list_escalatable(connection: Connection, *, now: dt.datetime, limit: int = _AT_ONCE) -> list[int]:
    """Ids of orders for `escalate_order`, those waiting the longest first."""
    return list(list_to_escalate(connection, now=now, limit=limit))


def escalate_order(connection: Connection, *, booking_id: int, now: dt.datetime) -> bool:
    """Remind staff of an order, once; False if there is no need any more. Without their address the log is told.

    Raises:
        BookingNotFound: if there is none.
    """
    booked = lock_booking(connection, booking_id)
    if booked.escalate_at is None or booked.escalate_at > milliseconds(now):
        return False
    connection.execute(update(booking).where(booking.c.id == booking_id).values(escalate_at=None))
    house = get_house(connection)
    if not house.staff_email:
        _log.warning("order.nobody_to_remind", booking_id=booking_id, needed="staff_email in the restaurant's settings")
    tell_staff_in_tx(connection, "booking.escalated", booked, house=house, now=now)
    return True

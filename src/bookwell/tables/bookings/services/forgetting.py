"""Clears what is known of guests some time after their visit, and what was kept for a time that is over."""

import datetime as dt

from sqlalchemy import Connection, delete, select, update

from bookwell.kit.adapters.sqlalchemy.outbox_writing import append_in_tx
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.events import guest_forgotten
from bookwell.tables.bookings.locks import lock_booking
from bookwell.tables.bookings.models import booking, guest_token, outbox
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services.publishing import forget_feed_in_tx
from bookwell.tables.floor.queries import get_house

__all__ = ["forget_expired_tokens", "forget_guest", "list_forgettable"]

_AT_ONCE = 1000
_PERSONAL = ("name", "email", "phone", "comment", "from_address")
_TOKENS_KEPT = dt.timedelta(days=1)
"""Staff may still move a booking that has just ended, and its guest's links along with it."""


def list_forgettable(connection: Connection, *, now: dt.datetime, limit: int) -> list[int]:
    """Ids of bookings for `forget_guest`, those that ended the longest ago first."""
    before = now - dt.timedelta(days=get_house(connection).guest_data_days)
    over = select(booking.c.id).where(
        booking.c.cleared_at.is_(None),
        booking.c.ends_at <= milliseconds(before),
        booking.c.state != State.REQUESTED.value,  # it is told first that nobody answered
    )
    return list(connection.scalars(over.order_by(booking.c.ends_at).limit(limit)))


def forget_guest(connection: Connection, *, booking_id: int, now: dt.datetime) -> bool:
    """Clear what a booking says of its guest, here and where it was told; False if there is no need any more.

    When, where and for what price it was stays.

    Raises:
        BookingNotFound: if there is none.
    """
    booked = lock_booking(connection, booking_id)
    before = now - dt.timedelta(days=get_house(connection).guest_data_days)
    if booked.cleared_at is not None or booked.ends_at > milliseconds(before):
        return False
    cleared = dict.fromkeys(_PERSONAL, "") | {"cleared_at": milliseconds(now)}
    connection.execute(update(booking).where(booking.c.id == booking_id).values(cleared))
    connection.execute(delete(guest_token).where(guest_token.c.booking_id == booking_id))
    told = outbox.c.aggregate.in_([f"booking:{booking_id}", f"escalation:{booking_id}"])
    connection.execute(update(outbox).where(told, outbox.c.done_at.is_(None)).values(done_at=milliseconds(now)))
    connection.execute(update(outbox).where(told).values(payload="{}"))
    forget_feed_in_tx(connection, [booking_id])
    append_in_tx(connection, [guest_forgotten(booking_id=booking_id, version=booked.version + 1)], now=now)
    return True


def forget_expired_tokens(connection: Connection, *, now: dt.datetime) -> int:
    """Delete guests' tokens whose time has been up for a day, a bounded number at a time: how many."""
    past = select(guest_token.c.digest).where(guest_token.c.expires_at < milliseconds(now - _TOKENS_KEPT))
    digests = list(connection.scalars(past.order_by(guest_token.c.expires_at).limit(_AT_ONCE)))
    if digests:
        connection.execute(delete(guest_token).where(guest_token.c.digest.in_(digests)))
    return len(digests)

"""Clears what is known of guests some time after their visit, and what was kept for a time that is over."""

import datetime as dt
import json
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, delete, select, update

from bookwell.kit.adapters.sqlalchemy.outbox_writing import append_in_tx
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.events import guest_forgotten
from bookwell.tables.bookings.locks import lock_booking
from bookwell.tables.bookings.models import booking, booking_step, guest_token, outbox
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services.publishing import WEBHOOKS, forget_calls_in_tx, forget_feed_in_tx
from bookwell.tables.floor.queries import get_house
from bookwell.tables.schema import idempotency_key

__all__ = ["forget_expired_tokens", "forget_guest", "list_forgettable"]

_AT_ONCE = 1000
_PERSONAL = ("name", "email", "mailbox", "phone", "comment", "from_address", "reason")
"""What guests said of themselves, and what was said about them: a reason may tell anything of anybody."""
_FORGOTTEN = "forgotten with its guest"
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

    When, where and for what price it was stays, and so do webhooks that wait: the back office still learns of it.

    Raises:
        BookingNotFound: if there is none.
    """
    booked = lock_booking(connection, booking_id)
    before = now - dt.timedelta(days=get_house(connection).guest_data_days)
    if booked.cleared_at is not None or booked.ends_at > milliseconds(before):
        return False
    cleared = dict.fromkeys(_PERSONAL, "") | {"cleared_at": milliseconds(now)}
    connection.execute(update(booking).where(booking.c.id == booking_id).values(cleared))
    connection.execute(update(booking_step).where(booking_step.c.booking_id == booking_id).values(reason=""))
    connection.execute(delete(guest_token).where(guest_token.c.booking_id == booking_id))
    _forget_answers_in_tx(connection, booking_id)
    told = outbox.c.aggregate.in_([f"booking:{booking_id}", f"escalation:{booking_id}"])
    untold = (outbox.c.done_at.is_(None), outbox.c.queue != WEBHOOKS)
    connection.execute(update(outbox).where(told, *untold).values(done_at=milliseconds(now)))
    connection.execute(update(outbox).where(told, outbox.c.done_at.is_not(None)).values(payload="{}"))
    forget_calls_in_tx(connection, booking_id)
    connection.execute(update(outbox).where(told, outbox.c.error != "").values(error=_FORGOTTEN))
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


def _forget_answers_in_tx(connection: Connection, booking_id: int) -> None:
    """Clear the booking in the answers that are kept to be given again; the keys go on to keep anything from repeating.

    They are few, for they are kept for hours, and no text that somebody sent can hold the quotes that are searched for.
    """
    about = idempotency_key.c.body.contains(f'"id":{booking_id},"state":')
    for row in connection.execute(select(idempotency_key.c.digest, idempotency_key.c.body).where(about)).all():
        body = to_json(_without_guest(json.loads(row.body), booking_id)).decode()
        mine = update(idempotency_key).where(idempotency_key.c.digest == row.digest)
        connection.execute(mine.values(body=body))


def _without_guest(content: Any, booking_id: int) -> Any:
    """An answer, whatever its shape, with what is personal cleared in each place where it shows the booking."""
    if isinstance(content, list):
        return [_without_guest(each, booking_id) for each in content]
    if not isinstance(content, dict):
        return content
    inside = {name: _without_guest(value, booking_id) for name, value in content.items()}
    is_about = inside.get("id") == booking_id and "state" in inside
    return inside | {name: "" for name in _PERSONAL if name in inside} if is_about else inside

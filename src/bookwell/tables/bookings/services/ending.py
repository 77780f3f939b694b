"""How bookings end: cancelled by the guest or by staff, or over."""

import datetime as dt
from typing import Any

from sqlalchemy import Connection

from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings.locks import lock_booking
from bookwell.tables.bookings.queries import get_booking_id_of_token
from bookwell.tables.bookings.rules import (
    Actor,
    State,
    TokenPurpose,
    check_guest_cancels,
    check_mark,
    check_transition,
)
from bookwell.tables.bookings.services.changing import change_in_tx, end_in_tx, flag_waiting_in_tx
from bookwell.tables.bookings.services.telling import tell_guest_in_tx
from bookwell.tables.floor.queries import get_house

__all__ = ["cancel_booking", "cancel_by_guest", "mark_booking"]


def cancel_by_guest(connection: Connection, *, token: str, public_url: str, now: dt.datetime) -> Any:
    """Cancel the booking of a token; once more changes nothing.

    Raises:
        TokenUnknown: for a wrong token, or one whose time is up.
        TooLateToCancel: after the start, and once seated.
        StateRefused: if it ended otherwise.
    """
    booking_id = get_booking_id_of_token(connection, token, purposes={TokenPurpose.CANCEL}, now=now)
    booked = lock_booking(connection, booking_id)
    if not check_guest_cancels(State(booked.state), starts_at=instant_at(booked.starts_at), now=now):
        return booked
    return _cancel(connection, booked, actor=Actor("guest"), public_url=public_url, now=now, reason="")


def cancel_booking(
    connection: Connection, *, booking_id: int, actor: Actor, public_url: str, now: dt.datetime, reason: str = ""
) -> Any:
    """Cancel an order or a booking by staff; the guest is told why.

    Raises:
        BookingNotFound: if there is none.
        StateRefused: if it cannot be cancelled any more.
    """
    booked = lock_booking(connection, booking_id)
    check_transition(State(booked.state), State.CANCELLED)
    return _cancel(connection, booked, actor=actor, public_url=public_url, now=now, reason=reason)


def mark_booking(
    connection: Connection, *, booking_id: int, state: State, actor: Actor, now: dt.datetime, reason: str = ""
) -> Any:
    """Say that the guests sit, have gone, or never came; those that left or stayed away give their table free.

    Raises:
        BookingNotFound: if there is none.
        StateRefused: if its state does not lead there, or is not one of these three.
    """
    booked = lock_booking(connection, booking_id)
    check_mark(State(booked.state), state)
    if state is State.SEATED:
        told: dict[str, Any] = {"action": state.value, "actor": actor, "reason": reason, "now": now}
        return change_in_tx(connection, booked, state=state.value, **told)
    ended = end_in_tx(connection, booked, state=state, actor=actor, reason=reason, now=now)
    _unflag(connection, booked)
    return ended


def _cancel(
    connection: Connection, booked: Any, *, actor: Actor, public_url: str, now: dt.datetime, reason: str
) -> Any:
    cancelled = end_in_tx(connection, booked, state=State.CANCELLED, actor=actor, reason=reason, now=now)
    house = _unflag(connection, booked)
    told: dict[str, Any] = {"house": house, "public_url": public_url, "now": now, "ended_by": actor.kind}
    was_confirmed = State(booked.state) is State.CONFIRMED
    tell_guest_in_tx(connection, "booking.cancelled", cancelled, was_confirmed=was_confirmed, **told)
    return cancelled


def _unflag(connection: Connection, booked: Any) -> Any:
    """What the booking gave free is there for the orders that wait."""
    house = get_house(connection)
    period = {"starts_at": booked.starts_at, "ends_at": booked.ends_at}
    flag_waiting_in_tx(connection, house, table_id=booked.table_id, **period)
    return house

"""Decisions about orders: by staff, and by the back office whose word may come twice, late or out of order."""

import datetime as dt
from typing import Any

from sqlalchemy import Connection, exists, select

from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings.errors import NotConfirmed, SlotTaken
from bookwell.tables.bookings.locks import lock_booking, lock_bookings
from bookwell.tables.bookings.models import booking
from bookwell.tables.bookings.queries import Surroundings, list_alternatives, list_offers, lock_with_surroundings
from bookwell.tables.bookings.rules import (
    Actor,
    Decision,
    DecisionFacts,
    State,
    check_decidable,
    is_same_decision,
)
from bookwell.tables.bookings.services.changing import change_in_tx, end_in_tx, flag_waiting_in_tx, is_in_the_way
from bookwell.tables.bookings.services.telling import tell_guest_in_tx
from bookwell.tables.floor.models import occupancy
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.services.occupying import hold_in_tx

__all__ = ["accept_booking", "decide_booking", "decline_all_taken", "decline_booking"]


def accept_booking(
    connection: Connection, *, booking_id: int, actor: Actor, public_url: str, now: dt.datetime, reason: str = ""
) -> Any:
    """Confirm an order: it takes its table, with the cleaning after it; overlapping orders are flagged.

    Raises:
        BookingNotFound: if there is none.
        OrderExpired, OrderCancelled, StateRefused: if it does not wait any more.
        SlotTaken: if another booking or a closure was first, with alternatives.
    """
    booked, around = lock_with_surroundings(connection, booking_id)
    check_decidable(_facts(booked), now=now)
    return _confirm(connection, booked, around, actor=actor, public_url=public_url, now=now, reason=reason)


def decline_booking(
    connection: Connection, *, booking_id: int, actor: Actor, public_url: str, now: dt.datetime, reason: str = ""
) -> Any:
    """Decline an order; the guest is told with free alternatives.

    Raises:
        BookingNotFound: if there is none.
        OrderExpired, OrderCancelled, StateRefused: if it does not wait any more.
    """
    booked = lock_booking(connection, booking_id)
    check_decidable(_facts(booked), now=now)
    return _decline(connection, booked, actor=actor, public_url=public_url, now=now, reason=reason)


def decline_all_taken(
    connection: Connection, *, booking_id: int, actor: Actor, public_url: str, now: dt.datetime, reason: str = ""
) -> list[Any]:
    """Decline every order that a confirmed booking leaves without its table.

    Raises:
        BookingNotFound: if there is none.
        NotConfirmed: if it holds no table.
    """
    holder = lock_booking(connection, booking_id)
    if State(holder.state) not in {State.CONFIRMED, State.SEATED}:
        raise NotConfirmed
    its_own = (occupancy.c.booking_id == booking_id) & is_in_the_way(get_house(connection))
    waiting = (booking.c.table_id == holder.table_id) & (booking.c.state == State.REQUESTED.value)
    left = select(booking.c.id).where(waiting, exists().where(its_own))
    rows = lock_bookings(connection, list(connection.scalars(left)))
    told: dict[str, Any] = {"actor": actor, "public_url": public_url, "now": now, "reason": reason}
    return [_decline(connection, row, **told) for row in rows]


def decide_booking(
    connection: Connection,
    *,
    booking_id: int,
    decision: Decision,
    version: int,
    public_url: str,
    now: dt.datetime,
    reason: str = "",
    backoffice_ref: str = "",
) -> Any:
    """What the back office decided on a version of an order; the same again changes nothing.

    Raises:
        BookingNotFound: if there is none.
        DecisionOutdated, DecisionContradicts: if it is about an older version, or was decided otherwise.
        OrderExpired, OrderCancelled, StateRefused: if it does not wait any more.
        SlotTaken: if another booking or a closure was first, with alternatives.
    """
    booked, around = lock_with_surroundings(connection, booking_id)
    facts = _facts(booked)
    if facts.decided is None:
        check_decidable(facts, now=now)
    if is_same_decision(facts, decision, version=version):
        return booked
    who: dict[str, Any] = {"actor": Actor("back_office"), "backoffice_ref": backoffice_ref}
    told: dict[str, Any] = {"public_url": public_url, "now": now, "reason": reason, **who}
    if decision is Decision.CONFIRM:
        return _confirm(connection, booked, around, **told)
    return _decline(connection, booked, **told)


def _confirm(
    connection: Connection,
    booked: Any,
    around: Surroundings,
    *,
    actor: Actor,
    public_url: str,
    now: dt.datetime,
    reason: str,
    backoffice_ref: str = "",
) -> Any:
    house = around.house
    if around.is_held:
        raise SlotTaken(alternatives=list_alternatives(connection, house, booked=booked, now=now))
    starts_at, ends_at = instant_at(booked.starts_at), instant_at(booked.ends_at) + house.buffer
    hold_in_tx(connection, table_id=booked.table_id, booking_id=booked.id, starts_at=starts_at, ends_at=ends_at)
    confirmed = change_in_tx(
        connection,
        booked,
        action=State.CONFIRMED.value,
        actor=actor,
        reason=reason,
        now=now,
        state=State.CONFIRMED.value,
        decide_by=None,
        escalate_at=None,
        slot_taken=False,
        **_decided(booked, Decision.CONFIRM, backoffice_ref),
    )
    if around.has_rivals:
        period = {"starts_at": booked.starts_at, "ends_at": booked.ends_at}
        flag_waiting_in_tx(connection, house, table_id=booked.table_id, **period)
    tell_guest_in_tx(connection, "booking.confirmed", confirmed, house=house, public_url=public_url, now=now)
    return confirmed


def _decline(
    connection: Connection,
    booked: Any,
    *,
    actor: Actor,
    public_url: str,
    now: dt.datetime,
    reason: str,
    backoffice_ref: str = "",
) -> Any:
    house = get_house(connection)
    decided = _decided(booked, Decision.DECLINE, backoffice_ref)
    declined = end_in_tx(connection, booked, state=State.DECLINED, actor=actor, reason=reason, now=now, **decided)
    free = list_offers(connection, house, booked=booked, now=now)
    told: dict[str, Any] = {"house": house, "public_url": public_url, "now": now, "alternatives": tuple(free)}
    tell_guest_in_tx(connection, "booking.declined", declined, ended_by=actor.kind, **told)
    return declined


def _decided(booked: Any, decision: Decision, backoffice_ref: str) -> dict[str, Any]:
    return {"decided": decision.value, "decided_version": booked.version, "backoffice_ref": backoffice_ref}


def _facts(booked: Any) -> DecisionFacts:
    return DecisionFacts(
        state=State(booked.state),
        version=booked.version,
        decide_by=instant_at(booked.decide_by) if booked.decide_by is not None else None,
        decided=Decision(booked.decided) if booked.decided else None,
        decided_version=booked.decided_version,
    )

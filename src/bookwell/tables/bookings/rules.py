"""Pure decisions about orders and bookings: states, limits of an order, late and contradictory decisions."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

from bookwell.tables.bookings.errors import (
    ContactMissing,
    DecisionContradicts,
    DecisionOutdated,
    OrderCancelled,
    OrderExpired,
    OutsideHours,
    PartyTooLarge,
    StateRefused,
    TableNotBookable,
    TooFarAhead,
    TooLateToCancel,
    TooLong,
    TooManyOpenOrders,
    TooSoon,
)
from bookwell.tables.floor.rules import House, is_open, slot_minutes

__all__ = [
    "MARKS",
    "OPEN_STATES",
    "TRANSITIONS",
    "Actor",
    "Decision",
    "DecisionFacts",
    "Exemption",
    "OrderFacts",
    "Slot",
    "State",
    "TokenPurpose",
    "can_be_ordered",
    "check_decidable",
    "check_guest_cancels",
    "check_mark",
    "check_order",
    "check_transition",
    "decide_by",
    "escalate_at",
    "is_reminder_due",
    "is_same_decision",
    "mailbox_of",
    "remind_at",
]

# Nobody is written to at night; reminders of late bookings go out early enough to be read the same evening.
_FIRST_HOUR = dt.time(9)
_LAST_HOUR = dt.time(21)
_LAST_REMINDERS = dt.time(20)


class State(StrEnum):
    """Where an order, or the booking that it became, stands."""

    REQUESTED = "requested"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SEATED = "seated"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.REQUESTED: frozenset({State.CONFIRMED, State.DECLINED, State.EXPIRED, State.CANCELLED}),
        State.CONFIRMED: frozenset({State.SEATED, State.NO_SHOW, State.CANCELLED}),
        State.SEATED: frozenset({State.COMPLETED}),
        State.DECLINED: frozenset(),
        State.EXPIRED: frozenset(),
        State.CANCELLED: frozenset(),
        State.COMPLETED: frozenset(),
        State.NO_SHOW: frozenset(),
    }
)

OPEN_STATES = frozenset({State.REQUESTED, State.CONFIRMED})
"""What a closure or a move can still change."""

MARKS = frozenset({State.SEATED, State.COMPLETED, State.NO_SHOW})
"""What staff see happen at a table; everything else is decided or cancelled, and told."""


class Decision(StrEnum):
    """What an employee says to an order."""

    CONFIRM = "confirm"
    DECLINE = "decline"


class TokenPurpose(StrEnum):
    """What a guest's token is good for; each for one thing."""

    CANCEL = "cancel"
    VIEW = "view"


class Exemption(StrEnum):
    """Which limits of an order do not hold for whoever makes it."""

    NONE = "none"
    COUNTS = "counts"
    """How many orders may wait, and for how long a table may be ordered: the loopback of a demo."""
    ALL = "all"
    """Staff."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: `kind` is guest, staff, back_office or system; `reference` names one of them."""

    kind: str
    reference: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.reference}" if self.reference else self.kind


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at a table, `[starts_at, ends_at)`."""

    starts_at: dt.datetime
    ends_at: dt.datetime


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What an order is judged by: the table, the people, and how many orders of theirs wait."""

    slot: Slot
    party_size: int
    seats: int
    can_be_booked: bool
    has_contact: bool
    open_of_contact: int = 0
    open_of_address: int = 0


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """What a decision meets: the booking's state and version, and what was decided on which version before."""

    state: State
    version: int
    decide_by: dt.datetime | None
    decided: Decision | None = None
    decided_version: int = 0


def check_transition(before: State, after: State) -> None:
    """Refuse what the table does not have.

    Raises:
        StateRefused: then.
    """
    if after not in TRANSITIONS[before]:
        raise StateRefused(f"A booking that is {before.value} cannot become {after.value}.")


def check_mark(before: State, after: State) -> None:
    """Refuse to mark as seen at the table what is not seen there.

    Raises:
        StateRefused: then, and for what the transition table does not have.
    """
    if after not in MARKS:
        raise StateRefused(f"A booking cannot be marked as {after.value}.")
    check_transition(before, after)


def check_order(facts: OrderFacts, house: House, *, exemption: Exemption, now: dt.datetime) -> None:
    """Refuse an order beyond the restaurant's limits; staff may do all but book what cannot be booked.

    Raises:
        TableNotBookable, ContactMissing, PartyTooLarge, TooSoon, TooFarAhead, OutsideHours: each.
        TooLong, TooManyOpenOrders: each.
    """
    if not facts.can_be_booked:
        raise TableNotBookable
    if exemption is Exemption.ALL:
        return
    if not facts.has_contact:
        raise ContactMissing
    if facts.party_size > facts.seats:
        raise PartyTooLarge
    _check_time(facts.slot, house, now)
    if exemption is Exemption.NONE:
        _check_amounts(facts, house)


def can_be_ordered(slot: Slot, house: House, *, now: dt.datetime) -> bool:
    """Whether a guest may order a table for that time, if there is one."""
    try:
        _check_time(slot, house, now)
    except (TooSoon, TooFarAhead, OutsideHours):
        return False
    return True


def decide_by(house: House, *, starts_at: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Until when an order waits: never beyond its start."""
    return min(now + dt.timedelta(minutes=house.decision_minutes), starts_at)


def escalate_at(*, deadline: dt.datetime, now: dt.datetime) -> dt.datetime:
    """When staff are reminded of an order: half the way to its deadline."""
    return now + (deadline - now) / 2


def remind_at(starts_at: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """When a guest is reminded: the day before, at the hour of the booking if it is a decent one."""
    local = starts_at.astimezone(zone)
    hour = min(max(local.time(), _FIRST_HOUR), _LAST_REMINDERS)
    return dt.datetime.combine(local.date() - dt.timedelta(days=1), hour, tzinfo=zone).astimezone(dt.UTC)


def is_reminder_due(
    *, starts_at: dt.datetime, told_at: dt.datetime, reminded_at: dt.datetime | None, zone: ZoneInfo, now: dt.datetime
) -> bool:
    """Whether to remind of a booking now: once, never at night, and never who was told of it within the day before.

    `told_at` is when it last changed: who was reminded before that is reminded again.
    """
    at = remind_at(starts_at, zone)
    was_reminded = reminded_at is not None and reminded_at >= told_at
    is_fresh = told_at > min(at, starts_at - dt.timedelta(days=1))
    is_decent = _FIRST_HOUR <= now.astimezone(zone).time() < _LAST_HOUR
    return at <= now < starts_at and is_decent and not (was_reminded or is_fresh)


def check_decidable(facts: DecisionFacts, *, now: dt.datetime) -> None:
    """Refuse to decide what does not wait any more.

    Raises:
        OrderExpired, OrderCancelled: when it is late.
        StateRefused: when it was decided.
    """
    is_over = facts.decide_by is not None and now >= facts.decide_by
    if facts.state is State.EXPIRED or (facts.state is State.REQUESTED and is_over):
        raise OrderExpired
    if facts.state is State.CANCELLED:
        raise OrderCancelled
    if facts.state is not State.REQUESTED:
        raise StateRefused(f"This order is {facts.state.value}.")


def is_same_decision(facts: DecisionFacts, decision: Decision, *, version: int) -> bool:
    """Whether a back office says again what was decided; False when it decides now.

    `version` is the one of the order that the employee saw. Of what was cancelled since, a later one is no repeat.

    Raises:
        DecisionOutdated: if the order has changed since, or never was at that version.
        OrderCancelled: if it was cancelled since, and this is no repeat.
        DecisionContradicts: if it was decided otherwise.
    """
    seen = facts.decided_version if facts.decided else facts.version
    if version < seen or version > facts.version:
        raise DecisionOutdated
    if facts.decided is None:
        return False
    if facts.state is State.CANCELLED and version > facts.decided_version:
        raise OrderCancelled
    if facts.decided is not decision:
        raise DecisionContradicts
    return True


def check_guest_cancels(state: State, *, starts_at: dt.datetime, now: dt.datetime) -> bool:
    """Whether there is something to cancel; False when that was done before.

    Raises:
        TooLateToCancel: after the start, and once seated.
        StateRefused: when it ended otherwise.
    """
    if state is State.CANCELLED:
        return False
    if state in {State.SEATED, State.COMPLETED, State.NO_SHOW} or now >= starts_at:
        raise TooLateToCancel
    check_transition(state, State.CANCELLED)
    return True


def mailbox_of(email: str) -> str:
    """The address by which a guest's orders are counted: `ada+two@example.org` is Ada's as well.

    What stands behind a plus only sorts the mail of one mailbox, nearly everywhere; it is sent to as it is written.
    """
    local, at, domain = email.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def _check_time(slot: Slot, house: House, now: dt.datetime) -> None:
    if slot.starts_at < now + dt.timedelta(minutes=house.lead_minutes):
        raise TooSoon
    if slot.starts_at > now + dt.timedelta(days=house.horizon_days):
        raise TooFarAhead
    if not is_open(house, slot.starts_at, slot.ends_at):
        raise OutsideHours


def _check_amounts(facts: OrderFacts, house: House) -> None:
    if facts.slot.ends_at - facts.slot.starts_at > dt.timedelta(minutes=slot_minutes(house, facts.party_size)):
        raise TooLong
    if 0 < house.open_orders_per_contact <= facts.open_of_contact:
        raise TooManyOpenOrders
    if 0 < house.open_orders_per_address <= facts.open_of_address:
        raise TooManyOpenOrders

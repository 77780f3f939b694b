"""A reservation's life as pure decisions: states, transitions, and the checks before each use case.

Facts and `now` come in as arguments; a check returns or raises.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, chain, repeat
from zoneinfo import ZoneInfo

from bookwell.library.circulation.errors import (
    BorrowingBlocked,
    LoanLimitReached,
    RenewalsUsedUp,
    RenewalWouldDelayOthers,
    ReservationExists,
    ReservationLimitReached,
    ReservedUntilInPast,
    WrongState,
)

__all__ = [
    "CLAIM_STATES",
    "COPY_STATES",
    "DEFAULT_TERMS",
    "OPEN_STATES",
    "SYSTEM",
    "TERM_RANGES",
    "TRANSITIONS",
    "Actor",
    "Cause",
    "CopyStatus",
    "PolicyTerms",
    "ReaderFacts",
    "Reminder",
    "State",
    "check_claim_limit",
    "check_is_ours",
    "check_may_borrow",
    "check_may_renew",
    "check_may_reserve",
    "check_not_blocked",
    "check_reserved_until",
    "check_state",
    "check_transition",
    "estimate_ready_on",
    "has_run_out",
    "loan_reminder_at",
    "may_shelve_at_once",
    "overdue_loans_block",
    "pickup_reminder_at",
    "reminder_due",
]


class State(StrEnum):
    """Where a reservation is in its life."""

    WAITING = "waiting"
    ASSIGNED = "assigned"
    IN_TRANSIT = "in_transit"
    READY = "ready"
    BORROWED = "borrowed"
    RETURNED = "returned"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    LOST = "lost"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Cause(StrEnum):
    """What let a reader in the queue have a copy."""

    RETURNED = "returned"
    SELF_RETURNED = "self_returned"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    COPY_ADDED = "copy_added"
    COPY_REPAIRED = "copy_repaired"
    COPY_TAKEN_AWAY = "copy_taken_away"
    COPY_SWAPPED = "copy_swapped"
    FOUND = "found"
    BLOCK_LIFTED = "block_lifted"
    SUSPENSION_ENDED = "suspension_ended"
    WANTED_AGAIN = "wanted_again"


class Reminder(StrEnum):
    """What a reader hears of unasked, before or after a deadline."""

    PICKUP = "pickup_reminder"
    DUE_SOON = "due_soon"
    OVERDUE = "overdue"


class CopyStatus(StrEnum):
    """Whether a copy can serve; whether it is free also depends on who holds it."""

    IN_SERVICE = "in_service"
    IN_REPAIR = "in_repair"
    LOST = "lost"


OPEN_STATES = frozenset(
    {
        State.WAITING,
        State.ASSIGNED,
        State.IN_TRANSIT,
        State.READY,
        State.BORROWED,
        State.REQUESTED,
        State.ACCEPTED,
    }
)

COPY_STATES = frozenset({State.ASSIGNED, State.IN_TRANSIT, State.READY, State.BORROWED})
"""States in which a local copy is the reservation's."""

CLAIM_STATES = OPEN_STATES - {State.BORROWED}
"""Open reservations in the policy's sense: claims that are not loans yet."""

TRANSITIONS: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.ASSIGNED, State.BORROWED, State.CANCELLED, State.EXPIRED}),
    State.ASSIGNED: frozenset({State.IN_TRANSIT, State.READY, State.BORROWED, State.WAITING, State.CANCELLED}),
    State.IN_TRANSIT: frozenset({State.READY, State.BORROWED, State.WAITING, State.CANCELLED}),
    State.READY: frozenset(
        {State.BORROWED, State.IN_TRANSIT, State.WAITING, State.ACCEPTED, State.EXPIRED, State.CANCELLED}
    ),
    State.BORROWED: frozenset({State.RETURNED, State.LOST}),
    State.REQUESTED: frozenset({State.ACCEPTED, State.REFUSED, State.CANCELLED, State.EXPIRED}),
    State.ACCEPTED: frozenset({State.READY, State.BORROWED, State.REFUSED, State.CANCELLED, State.EXPIRED}),
    State.RETURNED: frozenset(),
    State.EXPIRED: frozenset(),
    State.CANCELLED: frozenset(),
    State.LOST: frozenset(),
    State.REFUSED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. User id 0 is the system itself."""

    user_id: int
    is_librarian: bool


SYSTEM = Actor(user_id=0, is_librarian=True)


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """What one category of readers may do at one branch. The defaults hold where a library has set no policy."""

    max_open_reservations: int = 10
    max_open_loans: int = 10
    loan_days: int = 28
    max_renewals: int = 2
    pickup_days: int = 7
    reminder_days: int = 3
    overdue_loans_that_block: int = 1
    shelve_immediately: bool = False
    renewal_blocked_by_queue: bool = True
    self_return: bool = False


DEFAULT_TERMS = PolicyTerms()
TERM_RANGES = {"days": (1, 365), "count": (0, 1000)}
"""Least and most. Longer terms would end in years that no calendar has."""

_REMINDER_HOUR = dt.time(9)
"""At the branch."""

_TOO_SOON = dt.timedelta(hours=12)
"""Nobody is reminded of what they were told less than this ago."""

_OVERDUE_AFTER_DAYS = (1, 3, 7, 14)
_OVERDUE_PAUSE_DAYS = 28
"""The pauses between reminders of one overdue loan: first those, then this one for ever."""


@dataclass(frozen=True, slots=True)
class ReaderFacts:
    """What a reader has at this moment, counted under the reader's lock."""

    open_reservations: int
    open_loans: int
    overdue_loans: int
    blocks: int
    has_this_book: bool = False


def check_transition(old: State, new: State) -> None:
    """Allow what `TRANSITIONS` lists.

    Raises:
        WrongState: for anything else.
    """
    if new not in TRANSITIONS[old]:
        raise WrongState(f"A reservation that is {old} cannot become {new}.")


def may_shelve_at_once(terms: PolicyTerms, cause: Cause | None, *, is_at_pickup_branch: bool) -> bool:
    """Whether a copy that is set aside counts as ready: the policy says so, it stands there, and staff know of it.

    A copy that its reader returned without the desk may still be in the reader's bag.
    """
    return terms.shelve_immediately and is_at_pickup_branch and cause is not Cause.SELF_RETURNED


def check_state(state: State, *allowed: State) -> None:
    """Allow a step in the named states only.

    Raises:
        WrongState: in any other.
    """
    if state not in allowed:
        raise WrongState(f"The reservation is {state}.")


def check_is_ours(partner: str) -> None:
    """Refuse what only the owner of a copy can do, where a partner library is that.

    Raises:
        WrongState
    """
    if partner:
        raise WrongState(f"The reservation is at {partner}.")


def check_not_blocked(facts: ReaderFacts, terms: PolicyTerms) -> None:
    """Refuse a reader with a block, or with as many overdue loans as the policy lets block.

    Raises:
        BorrowingBlocked: with the reason as its detail.
    """
    if facts.blocks:
        raise BorrowingBlocked
    if overdue_loans_block(facts, terms):
        raise BorrowingBlocked(f"{facts.overdue_loans} of the reader's loans are overdue.")


def overdue_loans_block(facts: ReaderFacts, terms: PolicyTerms) -> bool:
    """Whether a reader has as many overdue loans as the policy lets block; where that is 0, none ever do."""
    return 0 < terms.overdue_loans_that_block <= facts.overdue_loans


def check_may_reserve(facts: ReaderFacts, terms: PolicyTerms) -> None:
    """Refuse a second open reservation of the same book, a blocked reader, and one over the limit.

    Raises:
        ReservationExists, BorrowingBlocked, ReservationLimitReached
    """
    if facts.has_this_book:
        raise ReservationExists
    check_not_blocked(facts, terms)
    check_claim_limit(facts.open_reservations, terms)


def check_claim_limit(others: int, terms: PolicyTerms) -> None:
    """Refuse one more open reservation to a reader who has as many as the policy allows.

    Raises:
        ReservationLimitReached
    """
    if others >= terms.max_open_reservations:
        raise ReservationLimitReached(f"The limit is {terms.max_open_reservations} open reservations.")


def check_may_borrow(facts: ReaderFacts, terms: PolicyTerms) -> None:
    """Refuse a blocked reader and one who has all the loans that the policy allows.

    Raises:
        BorrowingBlocked, LoanLimitReached
    """
    check_not_blocked(facts, terms)
    if facts.open_loans >= terms.max_open_loans:
        raise LoanLimitReached(f"The limit is {terms.max_open_loans} open loans.")


def check_may_renew(
    *, facts: ReaderFacts, terms: PolicyTerms, renewals: int, readers_waiting: int, copies_free: int
) -> None:
    """Refuse when the renewals are used up, the reader is blocked, or someone waits whom no free copy serves.

    Raises:
        RenewalsUsedUp, BorrowingBlocked, RenewalWouldDelayOthers
    """
    if renewals >= terms.max_renewals:
        raise RenewalsUsedUp(f"The limit is {terms.max_renewals} renewals.")
    check_not_blocked(facts, terms)
    if terms.renewal_blocked_by_queue and readers_waiting > copies_free:
        raise RenewalWouldDelayOthers


def check_reserved_until(reserved_until: dt.datetime | None, *, now: dt.datetime) -> None:
    """Refuse a moment that has passed.

    Raises:
        ReservedUntilInPast
    """
    if reserved_until is not None and reserved_until <= now:
        raise ReservedUntilInPast


def has_run_out(
    state: State, pickup_deadline_at: dt.datetime | None, reserved_until: dt.datetime | None, *, now: dt.datetime
) -> str | None:
    """Why a claim's time is up, or None while it is not."""
    if state is State.READY and pickup_deadline_at is not None and pickup_deadline_at <= now:
        return "pickup deadline"
    queued = state in (State.WAITING, State.REQUESTED, State.ACCEPTED)
    if queued and reserved_until is not None and reserved_until <= now:
        return "no longer needed"
    return None


def pickup_reminder_at(deadline: dt.datetime, *, time_zone: str, now: dt.datetime) -> dt.datetime | None:
    """When to remind of a copy on the hold shelf: the morning before its last day, None where that is too soon."""
    at = _morning(deadline, -1, time_zone)
    return at if at >= now + _TOO_SOON else None


def loan_reminder_at(due_at: dt.datetime, *, days_before: int, time_zone: str, now: dt.datetime) -> dt.datetime:
    """When to remind of a loan next: some days before it is due, then on the mornings after, ever more rarely.

    Where the loan is shorter than those days (or they are none), the first reminder is the one of the day after.
    A reminder that comes late moves the later ones by nothing; the one that would come right behind it is left out.
    """
    before = _morning(due_at, -days_before, time_zone)
    if days_before and before >= now + _TOO_SOON:
        return before
    mornings = (
        _morning(due_at, days, time_zone)
        for days in accumulate(chain(_OVERDUE_AFTER_DAYS, repeat(_OVERDUE_PAUSE_DAYS)))
    )
    return next(at for at in mornings if now <= due_at or at >= now + _TOO_SOON)


def reminder_due(
    state: State,
    *,
    next_reminder_at: dt.datetime | None,
    pickup_deadline_at: dt.datetime | None,
    due_at: dt.datetime | None,
    now: dt.datetime,
) -> Reminder | None:
    """What to remind of now, if anything; a copy whose deadline has passed is expired instead."""
    if next_reminder_at is None or next_reminder_at > now:
        return None
    if state is State.READY and pickup_deadline_at is not None and now < pickup_deadline_at:
        return Reminder.PICKUP
    if state is State.BORROWED and due_at is not None:
        return Reminder.DUE_SOON if now < due_at else Reminder.OVERDUE
    return None


def _morning(instant: dt.datetime, days: int, time_zone: str) -> dt.datetime:
    """The hour of reminders, that many days after an instant's day, in UTC."""
    zone = ZoneInfo(time_zone)
    day = instant.astimezone(zone).date() + dt.timedelta(days=days)
    return dt.datetime.combine(day, _REMINDER_HOUR, zone).astimezone(dt.UTC)


def estimate_ready_on(
    *,
    position: int,
    loans_due_at: Sequence[dt.datetime],
    copies: int,
    loan_days: int,
    time_zone: str,
    now: dt.datetime,
) -> dt.date | None:
    """The day on which a waiting reader's turn is expected; None when no copy will come back, or not in this calendar.

    `copies` counts those in service. They come back in the order of their due dates (those overdue: today); whoever
    gets one before this reader keeps it for `loan_days`. Those set aside but not yet lent count as lent today. Days are
    those of `time_zone`.
    """
    if copies < 1:
        return None
    zone, loan = ZoneInfo(time_zone), dt.timedelta(days=max(loan_days, 1))
    today = now.astimezone(zone).date()
    due = sorted(max(instant.astimezone(zone).date(), today) for instant in loans_due_at)[:copies]
    due += [today + loan] * (copies - len(due))
    latest = max(due)
    # Up to `latest` every copy may serve several readers; from then on each serves one in every `loan`.
    turns = sorted(first + loan * number for first in due for number in range((latest - first) // loan + 1))
    if position <= len(turns):
        return turns[position - 1]
    rounds, turn = divmod(position - len(turns) - 1, copies)
    try:
        return turns[-copies:][turn] + loan * (rounds + 1)
    except OverflowError:  # behind the calendar's last year
        return None

"""Reservations at partner libraries: placed here in one transaction, carried out there by a worker, followed by polls.

Nothing here talks to anybody: what is to be done at a partner is an outbox row, and what a partner said comes in as an
argument. Whatever changes, changes under the book's lock.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bookwell.contracts.partners import HoldState, HoldStatus
from bookwell.library.circulation.events import cancel_hold_message, place_hold_message
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book_of_reservation, lock_reader_and_book, release_hold
from bookwell.library.circulation.models import PartnerHold, Reservation
from bookwell.library.circulation.partner_rules import (
    is_believed,
    is_doubtful,
    is_news,
    steps_at_partner,
    with_days_kept,
)
from bookwell.library.circulation.queries.branches import get_home_branch
from bookwell.library.circulation.queries.placing import facts_of, placing_reads
from bookwell.library.circulation.queries.policies import choose_terms, get_terms_of
from bookwell.library.circulation.rules import (
    OPEN_STATES,
    SYSTEM,
    Actor,
    State,
    check_may_reserve,
    check_reserved_until,
    loan_reminder_at,
    pickup_reminder_at,
)
from bookwell.library.network.queries import BranchFacts
from bookwell.library.network.rules import wall_time
from bookwell.library.partners.errors import BookWithoutIsbn, PartnerTakesNoHolds, PartnerUnavailable

__all__ = [
    "PartnerChoice",
    "place_at_partner",
    "record_hold",
    "take_back",
]

_POLL_SOON = dt.timedelta(minutes=1)
_POLL_LOAN = dt.timedelta(minutes=15)
_LONGEST_REASON = 200
_NOT_QUEUED = 0
_MOVES = MappingProxyType({"pickup_deadline_at": "pickup_moved", "due_at": "due_moved"})
"""As readers hear of it that a branch is closed on a deadline's day."""
_NOT_READY: Mapping[str, Any] = MappingProxyType({"ready_at": None, "pickup_deadline_at": None})
_ENDED_UNUSED = frozenset({State.CANCELLED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class PartnerChoice:
    """A partner that somebody wants a book from, and what it said when it was asked just before."""

    partner: str
    isbn: str | None
    takes_holds: bool
    has_said_no: bool


def place_at_partner(
    *,
    reader_id: int,
    book_id: int,
    choice: PartnerChoice,
    actor: Actor,
    now: dt.datetime,
    reserved_until: dt.datetime | None = None,
) -> Reservation:
    """Note the reader's wish to have the book from a partner, and let a worker ask for it.

    The reader's home branch lends its policy and its time; no copy and no queue of ours has a part in it.

    Raises:
        ReaderNotFound, BookWithdrawn, ReservedUntilInPast
        ReservationExists, BorrowingBlocked, ReservationLimitReached
        PartnerUnavailable, PartnerTakesNoHolds, BookWithoutIsbn
    """
    reads = placing_reads(reader_id=reader_id, book_id=book_id)[:1]
    reader, _, rows = lock_reader_and_book(reader_id=reader_id, book_id=book_id, then=reads)
    facts = facts_of(rows[0], reader_id=reader_id, book_id=book_id, now=now)
    branch = get_home_branch(reader.home_branch_id, now=now)
    check_may_reserve(facts.reader, choose_terms(facts.policies, branch_id=branch.id))
    isbn = _check_can_ask(choice)
    reservation = Reservation(
        book_id=book_id,
        reader_id=reader_id,
        state=State.REQUESTED,
        open_marker=1,
        pickup_branch_id=branch.id,
        queue_no=_NOT_QUEUED,
        reserved_until=_wanted_until(reserved_until, branch, now),
        partner=choice.partner,
        created_at=now,
        version=0,
    )
    _write(reservation, isbn, Journal(actor=actor, now=now))
    return reservation


def _wanted_until(until: dt.datetime | None, branch: BranchFacts, now: dt.datetime) -> dt.datetime | None:
    """An instant as sent; without an offset it is wall time at the reader's home branch."""
    if until is not None and until.tzinfo is None:
        until = wall_time(branch.calendar, until)
    check_reserved_until(until, now=now)
    return until


def _write(reservation: Reservation, isbn: str, journal: Journal) -> None:
    journal.amend(reservation, State.REQUESTED)
    PartnerHold.objects.create(reservation=reservation, isbn=isbn)
    journal.send(place_hold_message(reservation_id=reservation.pk, version=reservation.version))
    journal.write_in_tx()


def _check_can_ask(choice: PartnerChoice) -> str:
    if not choice.takes_holds:
        raise PartnerTakesNoHolds
    if choice.isbn is None:
        raise BookWithoutIsbn
    if choice.has_said_no:
        raise PartnerUnavailable(f"{choice.partner} has just said that no copy is free.")
    return choice.isbn


def record_hold(*, reservation_id: int, told: HoldState, asked_until: dt.datetime, now: dt.datetime) -> None:
    """Bring a reservation to where its partner says that it is, and end the conversation that was claimed until then.

    A hold that is not listed is looked at again soon before that is believed, and is then taken back all the same: what
    is gone cannot be, and what the list had left out does not stay behind. That it is ready no more is believed after
    the same time.

    Raises:
        ReservationNotFound
    """
    _, reservation = lock_book_of_reservation(reservation_id)
    hold = PartnerHold.objects.get(pk=reservation_id)
    told = with_days_kept(told, time_zone=reservation.pickup_branch.time_zone)
    journal = Journal(actor=SYSTEM, now=now)
    is_first = hold.answered_at is None
    hold.answered_at = hold.answered_at or now
    hold.ref = hold.ref or told.ref
    is_listed = told.state is not HoldStatus.UNKNOWN
    state = State(reservation.state)
    if state in OPEN_STATES:
        if is_believed(state, told.state, unlisted_since=hold.unlisted_since, now=now):
            _follow(reservation, told, journal)
        if State(reservation.state) in _ENDED_UNUSED and not is_listed:
            take_back(reservation, journal, hold=hold)
        elif State(reservation.state) not in OPEN_STATES:
            hold.cancelled_at = now  # the partner has ended it: nothing is to be taken back
    elif is_first:
        take_back(reservation, journal, hold=hold)  # it ended while the partner was being asked
    hold.unlisted_since = (hold.unlisted_since or now) if is_doubtful(State(reservation.state), told.state) else None
    hold.poll_at, hold.missing_since = _poll_at(reservation, is_listed=is_listed, now=now), None
    hold.save(update_fields=["answered_at", "ref", "cancelled_at", "poll_at", "missing_since", "unlisted_since"])
    release_hold(reservation_id, until=asked_until)
    journal.write_in_tx()


def _follow(reservation: Reservation, told: HoldState, journal: Journal) -> None:
    deadline, now = reservation.pickup_deadline_at, journal.now
    steps = steps_at_partner(
        State(reservation.state), told.state, is_past_pickup=deadline is not None and deadline <= now
    )
    for step in steps:
        fields = _NOT_READY if reservation.state == State.READY and step is State.ACCEPTED else _fields(step, told, now)
        journal.move(reservation, step, remind_at=_remind_at(reservation, step, told, now), **fields)
    if not steps and (moved := _moved_deadline(reservation, told)):
        reservation.next_reminder_at = _remind_at(reservation, State(reservation.state), told, now)
        journal.amend(reservation, _name_of(reservation, moved), **moved)


def _remind_at(reservation: Reservation, state: State, told: HoldState, now: dt.datetime) -> dt.datetime | None:
    """When to remind first of what is ready at a partner, or lent by it: as of our own, where it tells the deadline."""
    zone = reservation.pickup_branch.time_zone
    if state is State.READY and told.pickup_deadline_at is not None:
        return pickup_reminder_at(told.pickup_deadline_at, time_zone=zone, now=now)
    if state is State.BORROWED and told.due_at is not None:
        days = get_terms_of(reservation).reminder_days
        return loan_reminder_at(told.due_at, days_before=days, time_zone=zone, now=now)
    return None


def _fields(step: State, told: HoldState, now: dt.datetime) -> dict[str, Any]:
    is_word = told.state is not HoldStatus.UNKNOWN  # else it is the gateway's code for why nobody knows
    words = (told.reason or "")[:_LONGEST_REASON] if is_word else ""
    match step:
        case State.READY:
            return {"ready_at": now, "pickup_deadline_at": told.pickup_deadline_at}
        case State.BORROWED:
            return {"borrowed_at": now, "due_at": told.due_at}
        case State.REFUSED:
            return {"reason": words or "refused"}
        case State.CANCELLED:
            return {"reason": f"library: {words}"[:_LONGEST_REASON] if words else "library"}
        case State.EXPIRED:
            return {"reason": "pickup deadline"}
    return {}


def _moved_deadline(reservation: Reservation, told: HoldState) -> dict[str, dt.datetime]:
    """A deadline that the partner has moved: a loan that was renewed there, a longer time to fetch it."""
    name, at = {
        HoldStatus.READY: ("pickup_deadline_at", told.pickup_deadline_at),
        HoldStatus.BORROWED: ("due_at", told.due_at),
    }.get(told.state, ("", None))
    if at is None or reservation.state != told.state or getattr(reservation, name) == at:
        return {}
    return {name: at}


def _name_of(reservation: Reservation, moved: dict[str, dt.datetime]) -> str:
    """The name of a moved deadline's change: one that the reader is told of, or one for the audit trail alone."""
    ((name, at),) = moved.items()
    zone = reservation.pickup_branch.time_zone
    return _MOVES[name] if is_news(at, before=getattr(reservation, name), time_zone=zone) else "deadline_changed"


def _poll_at(reservation: Reservation, *, is_listed: bool, now: dt.datetime) -> dt.datetime | None:
    state = State(reservation.state)
    if state not in OPEN_STATES:
        return None
    return now + (_POLL_LOAN if state is State.BORROWED and is_listed else _POLL_SOON)


def take_back(reservation: Reservation, journal: Journal, *, hold: PartnerHold | None = None) -> None:
    """Have a worker cancel the hold of a reservation that has ended.

    Where the partner has not answered yet, the worker that asks it finds the reservation ended, and comes here again.
    """
    known = hold or PartnerHold.objects.filter(pk=reservation.pk).first()
    if known is not None and known.ref:
        journal.send(cancel_hold_message(reservation_id=reservation.pk, version=reservation.version))

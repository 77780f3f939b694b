"""Placing a reservation: the hot path, with hand-written statements around the pure rules."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from bookwell.kit.adapters.django.instants import to_database
from bookwell.kit.adapters.django.outbox_store import appending
from bookwell.kit.adapters.django.statements import Rows, Statement, execute_later, execute_together, insert_row
from bookwell.library.audit.services import Change, recording
from bookwell.library.circulation.events import Facts, Recipient, ReservationFact
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import LockedBook, LockedReader, lock_reader_and_book, saving
from bookwell.library.circulation.queries.branches import get_branch_at, get_branch_named, get_home_branch
from bookwell.library.circulation.queries.placing import (
    FreeCopy,
    PlacingFacts,
    choose_free_copy,
    due_dates_of,
    facts_of,
    placing_reads,
)
from bookwell.library.circulation.queries.policies import choose_terms
from bookwell.library.circulation.rules import (
    Actor,
    Cause,
    PolicyTerms,
    State,
    check_may_reserve,
    check_reserved_until,
    estimate_ready_on,
    may_shelve_at_once,
    pickup_reminder_at,
)
from bookwell.library.circulation.services.queue import promote
from bookwell.library.circulation.views import ReservationView
from bookwell.library.network.queries import BranchFacts
from bookwell.library.network.rules import pickup_deadline_at, wall_time

__all__ = ["place_reservation"]

_INSERT = """
INSERT INTO reservation (book_id, reader_id, state, open_marker, pickup_branch_id, copy_id, held_copy_id, queue_no,
    is_on_pull_list, suspended_until, reserved_until, ready_at, pickup_deadline_at, borrowed_at, due_at, closed_at,
    next_reminder_at, renewals, partner, reason, created_at, version)
VALUES (%s, %s, %s, 1, %s, %s, %s, %s, %s, NULL, %s, %s, %s, NULL, NULL, NULL, %s, 0, '', '', %s, 1)
"""


@dataclass(frozen=True, slots=True)
class _Pickup:
    """Where the reservation will be picked up; `facts` are there when they had to be read anyway."""

    branch_id: int
    name: str
    time_zone: str
    facts: BranchFacts | None


def place_reservation(
    *,
    reader_id: int,
    book_id: int,
    actor: Actor,
    now: dt.datetime,
    library: str | None = None,
    reserved_until: dt.datetime | None = None,
    session_id: str | None = None,
) -> ReservationView:
    """Set a free copy aside for the reader, or put the reader at the end of the book's queue.

    `session_id` is that of a reader who is only expected to have it still.

    Raises:
        SessionEnded: if the reader has not.
        ReaderNotFound, BookWithdrawn, LibraryUnknown: if one of them is not there.
        ReservationExists, BorrowingBlocked, ReservationLimitReached, ReservedUntilInPast
    """
    asked = get_branch_named(library, now=now) if library else None
    reads = placing_reads(reader_id=reader_id, book_id=book_id)
    reader, book, rows = lock_reader_and_book(reader_id=reader_id, book_id=book_id, session_id=session_id, then=reads)
    if _serve_the_queue_first(book, actor=actor, now=now):
        rows = execute_together(*reads)
    facts = facts_of(rows[0], reader_id=reader_id, book_id=book_id, now=now)
    copy = _choose_copy(book, rows[1], asked.id if asked else reader.home_branch_id)
    pickup = _pickup_of(asked, copy, reader, now)
    terms = choose_terms(facts.policies, branch_id=pickup.branch_id)
    check_may_reserve(facts.reader, terms)
    until = _instant_at(pickup, reserved_until, now)
    check_reserved_until(until, now=now)
    placed = _draft(book, reader, copy, pickup, now=now, reserved_until=until)
    if copy is None:
        everywhere = choose_terms(facts.policies, branch_id=None)
        placed.estimated_ready_on = _estimate(book, everywhere, rows[1], time_zone=pickup.time_zone, now=now)
    elif may_shelve_at_once(terms, None, is_at_pickup_branch=_is_at(copy, pickup)):
        _shelve(placed, pickup, terms, now)
    placed.id = _insert(book, copy, placed, pickup)
    execute_later(saving(book), *_telling(placed, reader, facts, pickup, actor))
    return placed


def _serve_the_queue_first(book: LockedBook, *, actor: Actor, now: dt.datetime) -> bool:
    """A free copy beside a queue means that only blocked or suspended readers wait, unless time has passed.

    Answers whether there were both, so that what was read before may not hold any more.
    """
    if not (book.copies_available and book.queue_length):
        return False
    journal = Journal(actor=actor, now=now)
    promote(book, journal, because=Cause.SUSPENSION_ENDED)
    journal.write_in_tx()
    return True


def _choose_copy(book: LockedBook, rows: Rows, preferred_branch_id: int | None) -> FreeCopy | None:
    return choose_free_copy(rows, preferred_branch_id=preferred_branch_id) if book.copies_available else None


def _pickup_of(asked: BranchFacts | None, copy: FreeCopy | None, reader: LockedReader, now: dt.datetime) -> _Pickup:
    if asked:
        return _pickup_at(asked)
    if copy:
        return _Pickup(copy.branch_id, copy.branch, copy.time_zone, None)
    return _pickup_at(get_home_branch(reader.home_branch_id, now=now))


def _pickup_at(branch: BranchFacts) -> _Pickup:
    return _Pickup(branch.id, branch.name, branch.calendar.time_zone, branch)


def _is_at(copy: FreeCopy, pickup: _Pickup) -> bool:
    return copy.branch_id == pickup.branch_id and not copy.is_travelling


def _facts_of(pickup: _Pickup, now: dt.datetime) -> BranchFacts:
    return pickup.facts or get_branch_at(pickup.branch_id, now=now)


def _instant_at(pickup: _Pickup, moment: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is not None:
        return moment.astimezone(dt.UTC)  # as it is read back
    return wall_time(_facts_of(pickup, now).calendar, moment)


def _draft(
    book: LockedBook,
    reader: LockedReader,
    copy: FreeCopy | None,
    pickup: _Pickup,
    *,
    now: dt.datetime,
    reserved_until: dt.datetime | None,
) -> ReservationView:
    return ReservationView(
        id=0,
        book_id=book.book_id,
        reader_id=reader.reader_id,
        state=State.ASSIGNED if copy else State.WAITING,
        position=None if copy else book.queue_length + 1,
        library=pickup.name,
        copy=copy.barcode if copy else None,
        reserved_until=reserved_until,
        created_at=now,
    )


def _estimate(
    book: LockedBook, terms: PolicyTerms, copies: Rows, *, time_zone: str, now: dt.datetime
) -> dt.date | None:
    return estimate_ready_on(
        position=book.queue_length + 1,
        loans_due_at=due_dates_of(copies),
        copies=len(copies),
        loan_days=terms.loan_days,
        time_zone=time_zone,
        now=now,
    )


def _shelve(draft: ReservationView, pickup: _Pickup, terms: PolicyTerms, now: dt.datetime) -> None:
    calendar = _facts_of(pickup, now).calendar
    draft.state, draft.ready_at = State.READY, now
    draft.pickup_deadline_at = pickup_deadline_at(calendar, now=now, open_days=terms.pickup_days)


def _insert(book: LockedBook, copy: FreeCopy | None, draft: ReservationView, pickup: _Pickup) -> int:
    copy_id = copy.copy_id if copy else None
    row: list[Any] = [draft.book_id, draft.reader_id, str(draft.state), pickup.branch_id, copy_id, copy_id]
    row += [book.next_queue_no, draft.state is State.ASSIGNED and not (copy and copy.is_travelling)]
    instants = (draft.reserved_until, draft.ready_at, draft.pickup_deadline_at, _remind_at(draft, pickup))
    row += [to_database(at) for at in (*instants, draft.created_at)]
    book.next_queue_no += 1
    if copy:
        book.copies_available -= 1
    else:
        book.queue_length += 1
    return insert_row(_INSERT, row)


def _remind_at(draft: ReservationView, pickup: _Pickup) -> dt.datetime | None:
    deadline = draft.pickup_deadline_at
    return deadline and pickup_reminder_at(deadline, time_zone=pickup.time_zone, now=draft.created_at)


def _telling(
    placed: ReservationView, reader: LockedReader, facts: PlacingFacts, pickup: _Pickup, actor: Actor
) -> tuple[Statement, Statement]:
    """The audit entry and the message; a copy that is ready at once is news of its own, and the only news."""
    details: dict[str, Any] = {
        "position": placed.position,
        "estimated_ready_on": placed.estimated_ready_on,
        "pickup_deadline_at": placed.pickup_deadline_at,
    }
    known = {name: value for name, value in details.items() if value is not None}
    audit = recording(
        [Change("reservation.placed", "reservation", placed.id, {"state": placed.state, "copy": placed.copy, **known})],
        actor_id=actor.user_id,
    )
    told: Facts = {
        "reservation_id": placed.id,
        "state": str(placed.state),
        "title": facts.title,
        "branch": placed.library,
        "time_zone": pickup.time_zone,
        "position": placed.position,
        "estimated_ready_on": placed.estimated_ready_on,
        "pickup_deadline_at": placed.pickup_deadline_at,
        "reserved_until": placed.reserved_until,
    }
    recipient = Recipient(reader.reader_id, reader.username, reader.email, reader.language, reader.channels)
    change = "ready" if placed.state is State.READY else "placed"
    return audit, appending([ReservationFact(change, 1, recipient, told).message()])

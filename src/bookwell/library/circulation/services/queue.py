"""Handing free copies to the queue: part of every use case that frees a copy or makes a reader eligible."""

import datetime as dt
from contextlib import suppress

from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import LockedBook
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.queries.branches import get_branch_at
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.queries.queue import count_earlier_waiting, find_free_copy, find_next_eligible
from bookwell.library.circulation.rules import Cause, PolicyTerms, State, may_shelve_at_once, pickup_reminder_at
from bookwell.library.network.errors import BranchNeverOpen
from bookwell.library.network.rules import pickup_deadline_at

__all__ = ["make_ready", "pickup_deadline_of", "promote", "release_copy", "shelve_if_policy_says"]


def promote(
    book: LockedBook, journal: Journal, *, because: Cause, caught: Copy | None = None, spared: Copy | None = None
) -> Reservation | None:
    """Give every free copy to the first eligible reader in the queue, until either runs out.

    A `caught` copy is in a librarian's hand: it is used first and does not go on the pull list. A `spared` one is in
    the hand of somebody who would borrow it, and is used last. Answers the reservation that got the caught copy.
    """
    served: Reservation | None = None
    while book.copies_available > 0 and book.queue_length > 0:
        reservation = find_next_eligible(book_id=book.book_id, now=journal.now)
        if reservation is None:
            return served
        copy = caught or find_free_copy(
            book_id=book.book_id, preferred_branch_id=reservation.pickup_branch_id, spared=spared
        )
        if copy is None:
            raise AssertionError(f"book {book.book_id}: a copy is counted as free, none is found")
        _assign(book, reservation, copy, journal, because=because, is_caught=caught is not None)
        served, caught = (reservation if caught else served), None
    return served


def _assign(
    book: LockedBook, reservation: Reservation, copy: Copy, journal: Journal, *, because: Cause, is_caught: bool
) -> None:
    book.copies_available -= 1
    book.queue_length -= 1
    journal.move(
        reservation,
        State.ASSIGNED,
        because=because,
        passed_over=count_earlier_waiting(reservation),
        copy=copy,
        suspended_until=None,
        is_on_pull_list=not (is_caught or copy.is_travelling),
    )
    shelve_if_policy_says(reservation, journal, because=because)


def shelve_if_policy_says(reservation: Reservation, journal: Journal, *, because: Cause | None = None) -> None:
    """Make an assigned reservation ready at once where its policy has no pull step.

    At a branch that does not open again nobody could fetch it: it stays assigned, and nothing else is held up by that.
    """
    copy, terms = reservation.copy, get_terms_of(reservation)
    is_there = copy is not None and copy.location_id == reservation.pickup_branch_id and not copy.is_travelling
    if may_shelve_at_once(terms, because, is_at_pickup_branch=is_there):
        with suppress(BranchNeverOpen):
            make_ready(reservation, terms, journal)


def make_ready(reservation: Reservation, terms: PolicyTerms, journal: Journal) -> None:
    """Put the reservation on the hold shelf, with its pickup deadline."""
    deadline = pickup_deadline_of(reservation.pickup_branch_id, terms, journal.now)
    remind_at = pickup_reminder_at(deadline, time_zone=reservation.pickup_branch.time_zone, now=journal.now)
    journal.move(reservation, State.READY, remind_at=remind_at, ready_at=journal.now, pickup_deadline_at=deadline)


def pickup_deadline_of(branch_id: int, terms: PolicyTerms, now: dt.datetime) -> dt.datetime:
    """The end of the policy's last pickup day, counting the branch's opening days only."""
    return pickup_deadline_at(get_branch_at(branch_id, now=now).calendar, now=now, open_days=terms.pickup_days)


def release_copy(
    book: LockedBook, journal: Journal, *, because: Cause, caught: Copy | None = None
) -> Reservation | None:
    """Count a copy that was held as free again and hand it to the queue."""
    book.copies_available += 1
    return promote(book, journal, because=because, caught=caught)

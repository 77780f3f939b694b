"""Loans: issue a reserved copy, check out at the desk, renew."""

import datetime as dt

from bookwell.library.circulation.errors import CopyHeld, CopyUnavailable, ReservationExists
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import (
    LockedBook,
    lock_book_of_copy,
    lock_book_of_reservation,
    lock_reader,
    save_book,
)
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.queries.branches import get_branch_at
from bookwell.library.circulation.queries.desk import find_claim, find_holder, get_reader_id_of_card
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.queries.readers import get_reader_facts
from bookwell.library.circulation.queries.reservations import check_visible, get_reader_id
from bookwell.library.circulation.rules import (
    Actor,
    Cause,
    CopyStatus,
    PolicyTerms,
    State,
    check_is_ours,
    check_may_borrow,
    check_may_renew,
    check_state,
    loan_reminder_at,
)
from bookwell.library.circulation.services.queue import promote, release_copy
from bookwell.library.network.rules import due_at, moved_off_closed_day, shortened_due_at

__all__ = ["check_out", "issue", "renew"]


def issue(*, reservation_id: int, actor: Actor, now: dt.datetime) -> Reservation:
    """Lend the reserved copy to its reader: from the hold shelf, or straight from the librarian's hand.

    Raises:
        ReservationNotFound
        WrongState: if no copy is set aside, or it is still in transit.
        BorrowingBlocked, LoanLimitReached
    """
    lock_reader(get_reader_id(reservation_id))
    book, reservation = lock_book_of_reservation(reservation_id)
    check_is_ours(reservation.partner)
    check_state(State(reservation.state), State.READY, State.ASSIGNED)
    journal = Journal(actor=actor, now=now)
    _lend(reservation, journal)
    save_book(book)
    journal.write_in_tx()
    return reservation


def check_out(*, barcode: str, card: str, actor: Actor, now: dt.datetime) -> Reservation:
    """Lend a copy to whoever shows a card: a set-aside copy to its reader, a free one to anyone.

    A reader who waits for the book, or for whom another copy of it is set aside, gets this one on that reservation.

    Raises:
        CopyNotFound, ReaderNotFound
        CopyHeld: if the copy is another reader's, or lent already.
        CopyUnavailable: if it is in repair or lost.
        ReservationExists: if the reader has a copy of this book already.
        BorrowingBlocked, LoanLimitReached
    """
    reader_id = get_reader_id_of_card(card)
    lock_reader(reader_id)
    book, copy = lock_book_of_copy(barcode)
    journal = Journal(actor=actor, now=now)
    # Whose suspension has just run out comes before a walk-in.
    promote(book, journal, because=Cause.SUSPENSION_ENDED, spared=copy)
    _check_can_be_lent(copy, reader_id)
    claim = find_claim(reader_id=reader_id, book_id=book.book_id)
    reservation = _use_claim(book, claim, copy, journal) if claim else _walk_in(book, copy, reader_id, journal)
    save_book(book)
    journal.write_in_tx()
    return reservation


def renew(*, reservation_id: int, actor: Actor, now: dt.datetime) -> Reservation:
    """Lengthen a loan by the policy's loan days from now; a wish to have it shorter is dropped.

    Raises:
        ReservationNotFound: also for another reader's.
        WrongState, RenewalsUsedUp, BorrowingBlocked, RenewalWouldDelayOthers
    """
    check_visible(reservation_id=reservation_id, actor=actor)
    book, reservation = lock_book_of_reservation(reservation_id)
    check_is_ours(reservation.partner)
    check_state(State(reservation.state), State.BORROWED)
    terms = get_terms_of(reservation)
    check_may_renew(
        facts=get_reader_facts(reader_id=reservation.reader_id, now=now),
        terms=terms,
        renewals=reservation.renewals,
        readers_waiting=book.queue_length,
        copies_free=book.copies_available,
    )
    journal = Journal(actor=actor, now=now)
    calendar = get_branch_at(reservation.pickup_branch_id, now=now).calendar
    due = due_at(calendar, now=now, days=terms.loan_days)
    due = moved_off_closed_day(calendar, max(due, reservation.due_at or due, reservation.policy_due_at or due))
    reservation.next_reminder_at = _remind_at(reservation, due, terms, now)
    journal.amend(
        reservation,
        "renewed",
        renewals=reservation.renewals + 1,
        reserved_until=None,
        due_at=due,
        policy_due_at=due,
    )
    save_book(book)
    journal.write_in_tx()
    return reservation


def _check_can_be_lent(copy: Copy, reader_id: int) -> None:
    if copy.status != CopyStatus.IN_SERVICE:
        raise CopyUnavailable
    holder = find_holder(copy.pk)
    if holder and (holder.reader_id != reader_id or holder.state == State.BORROWED):
        raise CopyHeld


def _use_claim(book: LockedBook, claim: Reservation, copy: Copy, journal: Journal) -> Reservation:
    if claim.state == State.BORROWED:
        raise ReservationExists
    check_is_ours(claim.partner)
    check_state(State(claim.state), State.WAITING, State.ASSIGNED, State.IN_TRANSIT, State.READY)
    if claim.state == State.WAITING:
        book.queue_length -= 1
        book.copies_available -= 1
        _lend(claim, journal, copy=copy)
    elif claim.copy_id == copy.pk:
        _lend(claim, journal)
    else:
        book.copies_available -= 1
        _lend(claim, journal, copy=copy)
        release_copy(book, journal, because=Cause.COPY_SWAPPED)
    return claim


def _walk_in(book: LockedBook, copy: Copy, reader_id: int, journal: Journal) -> Reservation:
    reservation = Reservation(
        book_id=book.book_id,
        reader_id=reader_id,
        state=State.ASSIGNED,
        pickup_branch_id=copy.location_id,
        queue_no=book.next_queue_no,
        created_at=journal.now,
        version=0,
    )
    book.next_queue_no += 1
    book.copies_available -= 1
    _lend(reservation, journal, copy=copy, because="walk_in")
    return reservation


def _lend(reservation: Reservation, journal: Journal, *, copy: Copy | None = None, because: str = "") -> None:
    """Make the reservation a loan of `copy`, or of the copy that it has.

    Raises:
        BorrowingBlocked, LoanLimitReached
    """
    terms = get_terms_of(reservation)
    check_may_borrow(get_reader_facts(reader_id=reservation.reader_id, now=journal.now), terms)
    lent = copy or reservation.copy
    if lent is not None:
        journal.move_copy(lent, lent.location_id)
    calendar = get_branch_at(reservation.pickup_branch_id, now=journal.now).calendar
    policy_due = due_at(calendar, now=journal.now, days=terms.loan_days)
    due = shortened_due_at(calendar, policy_due, reservation.reserved_until, now=journal.now)
    journal.move(
        reservation,
        State.BORROWED,
        because=because,
        remind_at=_remind_at(reservation, due, terms, journal.now),
        copy=lent,
        borrowed_at=journal.now,
        due_at=due,
        policy_due_at=policy_due,
        suspended_until=None,
    )


def _remind_at(reservation: Reservation, due: dt.datetime, terms: PolicyTerms, now: dt.datetime) -> dt.datetime:
    zone = reservation.pickup_branch.time_zone
    return loan_reminder_at(due, days_before=terms.reminder_days, time_zone=zone, now=now)

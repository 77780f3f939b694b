"""Deadlines that fall on a day which has become closed since they were set: they move to the next opening day."""

import datetime as dt

from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book_of_reservation, save_book
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.queries.branches import get_branch_at
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.rules import Actor, State, loan_reminder_at, pickup_reminder_at
from bookwell.library.network.errors import BranchNeverOpen
from bookwell.library.network.rules import moved_off_closed_day

__all__ = ["move_deadline", "put_off"]


def move_deadline(*, reservation_id: int, actor: Actor, now: dt.datetime) -> bool:
    """Move a pickup deadline or due date off a closed day; the reader is told the new one.

    Answers whether it was; another worker may have been faster, or the reservation may have gone on.

    Raises:
        ReservationNotFound
    """
    book, reservation = lock_book_of_reservation(reservation_id)
    journal = Journal(actor=actor, now=now)
    if not put_off(reservation, journal):
        return False
    save_book(book)
    journal.write_in_tx()
    return True


def put_off(reservation: Reservation, journal: Journal) -> bool:
    """Move the deadline of a ready or lent copy, under its book's lock, if the branch is closed on its day.

    One that is over even so stays, as does one of a branch that does not open again; and a partner's is the partner's.
    """
    deadline = _deadline_of(reservation)
    if deadline is None:
        return False
    branch = reservation.pickup_branch
    try:
        moved = moved_off_closed_day(get_branch_at(branch.pk, now=deadline).calendar, deadline)
    except BranchNeverOpen:
        return False
    if moved == deadline or moved <= journal.now:
        return False
    if reservation.state == State.READY:
        remind_at = pickup_reminder_at(moved, time_zone=branch.time_zone, now=journal.now)
        reservation.next_reminder_at = remind_at
        journal.amend(reservation, "pickup_moved", pickup_deadline_at=moved)
        return True
    days_before = get_terms_of(reservation).reminder_days
    reservation.next_reminder_at = loan_reminder_at(
        moved, days_before=days_before, time_zone=branch.time_zone, now=journal.now
    )
    journal.amend(reservation, "due_moved", due_at=moved)
    return True


def _deadline_of(reservation: Reservation) -> dt.datetime | None:
    if reservation.partner:
        return None
    if reservation.state == State.READY:
        return reservation.pickup_deadline_at
    return reservation.due_at if reservation.state == State.BORROWED else None

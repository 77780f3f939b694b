"""Time's own use cases: a queue goes on by itself, readers are reminded. Expiry is in `ending`."""

import datetime as dt

from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book, lock_book_of_reservation, save_book
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import SYSTEM, Actor, Cause, State, loan_reminder_at, reminder_due
from bookwell.library.circulation.services.closed_days import put_off
from bookwell.library.circulation.services.queue import promote

__all__ = ["remind_reservation", "resume_queue"]


def resume_queue(*, book_id: int, now: dt.datetime) -> None:
    """Serve the queue of a book after a suspension in it ended.

    Raises:
        BookWithdrawn
    """
    book = lock_book(book_id)
    journal = Journal(actor=SYSTEM, now=now)
    promote(book, journal, because=Cause.SUSPENSION_ENDED)
    save_book(book)
    journal.write_in_tx()


def remind_reservation(*, reservation_id: int, actor: Actor, now: dt.datetime) -> bool:
    """Tell the reader of a deadline, if that is due, and note when to do so again.

    Answers whether it was; another worker may have been faster, the book came back meanwhile, or the branch turns out
    to be closed on that day, and the deadline moves instead.

    Raises:
        ReservationNotFound
    """
    book, reservation = lock_book_of_reservation(reservation_id)
    reminder = reminder_due(
        State(reservation.state),
        next_reminder_at=reservation.next_reminder_at,
        pickup_deadline_at=reservation.pickup_deadline_at,
        due_at=reservation.due_at,
        now=now,
    )
    if reminder is None:
        return False
    journal = Journal(actor=actor, now=now)
    is_put_off = put_off(reservation, journal)
    if not is_put_off:
        journal.remind(reservation, reminder, again_at=_next_reminder_at(reservation, now))
    save_book(book)
    journal.write_in_tx()
    return not is_put_off


def _next_reminder_at(reservation: Reservation, now: dt.datetime) -> dt.datetime | None:
    if reservation.due_at is None:
        return None
    return loan_reminder_at(reservation.due_at, days_before=0, time_zone=reservation.pickup_branch.time_zone, now=now)

"""Ending and changing claims: cancel, expire, and what a reader may amend."""

import datetime as dt

from bookwell.library.circulation.errors import SuspendedUntilInPast
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import LockedBook, lock_book_of_reservation, lock_reader, save_book
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.queries.branches import get_branch_at, get_branch_named
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.queries.readers import get_reader_facts
from bookwell.library.circulation.queries.reservations import check_visible, get_reader_id
from bookwell.library.circulation.rules import (
    CLAIM_STATES,
    COPY_STATES,
    Actor,
    Cause,
    State,
    check_claim_limit,
    check_reserved_until,
    check_state,
    has_run_out,
    loan_reminder_at,
)
from bookwell.library.circulation.services.closed_days import put_off
from bookwell.library.circulation.services.partner_holds import take_back
from bookwell.library.circulation.services.queue import promote, release_copy, shelve_if_policy_says
from bookwell.library.network.rules import moved_off_closed_day, shortened_due_at, wall_time

__all__ = ["cancel_reservation", "change_reservation", "expire_reservation", "give_up"]


def cancel_reservation(*, reservation_id: int, actor: Actor, now: dt.datetime, reason: str = "") -> Reservation:
    """Give a claim up; its copy, if any, goes to the next in the queue in the same transaction.

    Raises:
        ReservationNotFound: also for another reader's.
        WrongState: once it is a loan, or ended.
    """
    check_visible(reservation_id=reservation_id, actor=actor)
    book, reservation = lock_book_of_reservation(reservation_id)
    check_state(State(reservation.state), *CLAIM_STATES)
    by = "reader" if actor.user_id == reservation.reader_id else "library"
    journal = Journal(actor=actor, now=now)
    give_up(book, reservation, State.CANCELLED, journal, reason=f"{by}: {reason}" if reason else by)
    save_book(book)
    journal.write_in_tx()
    return reservation


def expire_reservation(*, reservation_id: int, actor: Actor, now: dt.datetime) -> bool:
    """End a claim whose time is up: a ready one past its pickup deadline, a waiting one past `reserved_until`.

    Answers whether it was; another worker may have been faster, or the deadline moved, as it does now if the branch
    turns out to have been closed on its day.

    Raises:
        ReservationNotFound
    """
    book, reservation = lock_book_of_reservation(reservation_id)
    state = State(reservation.state)
    deadline = (
        None if reservation.partner else reservation.pickup_deadline_at
    )  # a partner says itself what became of it
    reason = has_run_out(state, deadline, reservation.reserved_until, now=now)
    if reason is None:
        return False
    journal = Journal(actor=actor, now=now)
    is_put_off = put_off(reservation, journal)
    if not is_put_off:
        give_up(book, reservation, State.EXPIRED, journal, reason=reason)
    save_book(book)
    journal.write_in_tx()
    return not is_put_off


def give_up(book: LockedBook, reservation: Reservation, end: State, journal: Journal, *, reason: str) -> None:
    """End a claim under its book's lock, and hand its copy on or take its hold at a partner back."""
    old = State(reservation.state)
    journal.move(reservation, end, reason=reason)
    if reservation.partner:
        take_back(reservation, journal)
    elif old is State.WAITING:
        book.queue_length -= 1
    elif old in COPY_STATES:
        release_copy(book, journal, because=Cause(end.value))


def change_reservation(
    *, reservation_id: int, changes: dict[str, dt.datetime | str | None], actor: Actor, now: dt.datetime
) -> Reservation:
    """Change what a reader may: `pickup_branch`, `suspended_until`, `reserved_until`; only the keys that are given.

    Raises:
        ReservationNotFound: also for another reader's.
        ReservationLimitReached: if the reader may not have that many at the new branch.
        WrongState, LibraryUnknown, SuspendedUntilInPast, ReservedUntilInPast
    """
    check_visible(reservation_id=reservation_id, actor=actor)
    if "pickup_branch" in changes:  # whose policy counts all that the reader has
        lock_reader(get_reader_id(reservation_id), is_active=False)
    book, reservation = lock_book_of_reservation(reservation_id)
    if not changes:
        return reservation
    journal = Journal(actor=actor, now=now)
    if "pickup_branch" in changes:
        _change_pickup_branch(reservation, str(changes["pickup_branch"]), journal)
    if "reserved_until" in changes:
        _change_reserved_until(reservation, _moment(reservation, changes["reserved_until"], now), journal)
    if "suspended_until" in changes:
        _suspend(reservation, _moment(reservation, changes["suspended_until"], now), journal)
    # Whoever wants a book again after `reserved_until` had passed becomes eligible like one who resumes.
    promote(book, journal, because=Cause.SUSPENSION_ENDED if "suspended_until" in changes else Cause.WANTED_AGAIN)
    save_book(book)
    journal.write_in_tx()
    return reservation


def _change_pickup_branch(reservation: Reservation, branch: str, journal: Journal) -> None:
    """Have the copy brought to another branch; too late once it travels or lies ready."""
    check_state(State(reservation.state), State.WAITING, State.ASSIGNED)
    wanted = get_branch_named(branch, now=journal.now)
    if wanted.id == reservation.pickup_branch_id:
        return
    others = get_reader_facts(reader_id=reservation.reader_id, now=journal.now).open_reservations - 1
    check_claim_limit(others, get_terms_of(reservation, branch_id=wanted.id))
    journal.amend(reservation, "pickup_branch_changed", pickup_branch_id=wanted.id)
    if reservation.state == State.ASSIGNED:
        shelve_if_policy_says(reservation, journal)


def _suspend(reservation: Reservation, until: dt.datetime | None, journal: Journal) -> None:
    check_state(State(reservation.state), State.WAITING)
    if until is not None and until <= journal.now:
        raise SuspendedUntilInPast
    journal.amend(reservation, "suspended" if until else "resumed", suspended_until=until)


def _change_reserved_until(reservation: Reservation, until: dt.datetime | None, journal: Journal) -> None:
    check_state(State(reservation.state), *CLAIM_STATES, State.BORROWED)
    check_reserved_until(until, now=journal.now)
    if reservation.due_at is None or reservation.partner:
        journal.amend(reservation, "reserved_until_changed", reserved_until=until)
        return
    calendar = get_branch_at(reservation.pickup_branch_id, now=journal.now).calendar
    policy_due = moved_off_closed_day(calendar, reservation.policy_due_at or reservation.due_at)
    due = shortened_due_at(calendar, policy_due, until, now=journal.now)
    if due != reservation.due_at:
        reservation.next_reminder_at = loan_reminder_at(
            due,
            days_before=get_terms_of(reservation).reminder_days,
            time_zone=calendar.time_zone,
            now=journal.now,
        )
    journal.amend(reservation, "reserved_until_changed", reserved_until=until, due_at=due, policy_due_at=policy_due)


def _moment(reservation: Reservation, value: dt.datetime | str | None, now: dt.datetime) -> dt.datetime | None:
    """An instant as sent; without an offset it is wall time at the pickup branch."""
    if not isinstance(value, dt.datetime) or value.tzinfo is not None:
        return value if isinstance(value, dt.datetime) else None
    return wall_time(get_branch_at(reservation.pickup_branch_id, now=now).calendar, value)

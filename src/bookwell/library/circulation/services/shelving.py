"""From the open shelf to the hold shelf: shelve, ship, receive."""

import datetime as dt
from collections.abc import Callable

from bookwell.library.circulation.errors import CopyNotHere
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book_of_reservation, save_book
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.rules import Actor, State, check_state
from bookwell.library.circulation.services.queue import make_ready

__all__ = ["put_on_hold_shelf", "receive", "send_to_pickup_branch", "shelve", "ship"]


def shelve(*, reservation_id: int, actor: Actor, now: dt.datetime) -> Reservation:
    """Put an assigned copy on the hold shelf of its pickup branch; the reader is told.

    Raises:
        ReservationNotFound
        WrongState: if it is not assigned.
        CopyNotHere: if the copy stands at another branch and must be shipped.
    """
    return _advance(reservation_id, State.ASSIGNED, put_on_hold_shelf, actor, now)


def ship(*, reservation_id: int, actor: Actor, now: dt.datetime) -> Reservation:
    """Send an assigned copy to its pickup branch.

    Raises:
        ReservationNotFound
        WrongState: if it is not assigned.
        CopyNotHere: if it already stands at the pickup branch.
    """
    return _advance(reservation_id, State.ASSIGNED, send_to_pickup_branch, actor, now)


def receive(*, reservation_id: int, actor: Actor, now: dt.datetime) -> Reservation:
    """Take a shipped copy out of the box at the pickup branch and put it on the hold shelf; the reader is told.

    Raises:
        ReservationNotFound
        WrongState: if it is not in transit.
    """
    return _advance(reservation_id, State.IN_TRANSIT, put_on_hold_shelf, actor, now)


def _advance(
    reservation_id: int,
    needed: State,
    step: Callable[[Reservation, Journal], None],
    actor: Actor,
    now: dt.datetime,
) -> Reservation:
    book, reservation = lock_book_of_reservation(reservation_id)
    check_state(State(reservation.state), needed)
    journal = Journal(actor=actor, now=now)
    step(reservation, journal)
    save_book(book)
    journal.write_in_tx()
    return reservation


def put_on_hold_shelf(reservation: Reservation, journal: Journal) -> None:
    """Make the reservation ready, if its copy is at the pickup branch.

    Raises:
        CopyNotHere: if it is not.
    """
    copy = _copy_of(reservation)
    if copy.location_id != reservation.pickup_branch_id:
        raise CopyNotHere(f"The copy is to be shipped to {reservation.pickup_branch.name}.")
    journal.move_copy(copy, reservation.pickup_branch_id)
    terms = get_terms_of(reservation)
    make_ready(reservation, terms, journal)


def send_to_pickup_branch(reservation: Reservation, journal: Journal) -> None:
    """Let the copy travel to the pickup branch.

    Raises:
        CopyNotHere: if there is nothing to ship.
    """
    copy = _copy_of(reservation)
    if copy.location_id == reservation.pickup_branch_id:
        raise CopyNotHere(f"The copy is at {reservation.pickup_branch.name} already.")
    journal.move_copy(copy, reservation.pickup_branch_id, is_travelling=True)
    journal.move(reservation, State.IN_TRANSIT, ready_at=None, pickup_deadline_at=None)


def _copy_of(reservation: Reservation) -> Copy:
    if reservation.copy is None:
        raise AssertionError(f"reservation {reservation.pk} is {reservation.state} without a copy")
    return reservation.copy

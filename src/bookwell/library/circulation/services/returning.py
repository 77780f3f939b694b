"""Check-in: a copy comes back, and staff are told in one word what to do with it."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from bookwell.library.circulation.errors import CopyUnavailable, SelfReturnForbidden
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import LockedBook, lock_book, lock_book_of_reservation, save_book
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.queries.branches import get_branch_named
from bookwell.library.circulation.queries.desk import find_holder, get_copy
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.queries.reservations import get_visible
from bookwell.library.circulation.rules import Actor, CopyStatus, State, check_state
from bookwell.library.circulation.services.queue import pickup_deadline_of, promote, release_copy
from bookwell.library.circulation.services.shelving import put_on_hold_shelf
from bookwell.library.network.models import Branch

__all__ = ["Action", "Instruction", "check_in", "return_book"]


class Action(StrEnum):
    """What to do with a copy that was checked in."""

    RESHELVE = "reshelve"
    HOLD_SHELF = "hold_shelf"
    SHIP = "ship"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One word and one sentence for the librarian; `reservation_id` is whom the copy is for."""

    action: Action
    detail: str
    reservation_id: int | None = None


def check_in(*, barcode: str, branch: str, actor: Actor, now: dt.datetime) -> Instruction:
    """Take a copy in at a branch, whatever it was doing, and choose who gets it next in the same transaction.

    Raises:
        CopyNotFound, BranchNotFound
        CopyUnavailable: if the copy is in repair.
    """
    here = get_branch_named(branch, now=now).id
    book = lock_book(get_copy(barcode).book_id)
    copy = get_copy(barcode)
    journal = Journal(actor=actor, now=now)
    instruction = _take_in(book, copy, here, journal)
    save_book(book)
    journal.write_in_tx()
    return instruction


def return_book(
    *, reservation_id: int, actor: Actor, now: dt.datetime, branch: str | None = None
) -> tuple[Reservation, Instruction]:
    """End a loan: at the desk, or by the reader where the policy allows `self_return`.

    Raises:
        ReservationNotFound: also for another reader's.
        SelfReturnForbidden, WrongState, BranchNotFound
    """
    get_visible(reservation_id=reservation_id, actor=actor)
    here = get_branch_named(branch, now=now).id if branch else None
    book, reservation = lock_book_of_reservation(reservation_id)
    if not actor.is_librarian:
        terms = get_terms_of(reservation)
        if not terms.self_return:
            raise SelfReturnForbidden
    check_state(State(reservation.state), State.BORROWED)
    copy = get_copy(reservation.copy.barcode) if reservation.copy else None
    if copy is None:
        raise AssertionError(f"loan {reservation.pk} has no copy")
    journal = Journal(actor=actor, now=now)
    instruction = _end_loan(book, reservation, copy, here or copy.location_id, journal)
    save_book(book)
    journal.write_in_tx()
    return reservation, instruction


def _take_in(book: LockedBook, copy: Copy, here: int, journal: Journal) -> Instruction:
    holder = find_holder(copy.pk)
    if holder is not None and holder.state == State.BORROWED:
        return _end_loan(book, holder, copy, here, journal)
    _move_to(copy, here)
    if holder is not None:
        return _pass_on(holder, copy, journal)
    return _find_use(book, copy, journal)


def _end_loan(book: LockedBook, loan: Reservation, copy: Copy, here: int, journal: Journal) -> Instruction:
    _move_to(copy, here)
    journal.move(loan, State.RETURNED, because="returned")
    heir = release_copy(book, journal, because="returned", caught=copy)
    return _pass_on(heir, copy, journal) if heir else _reshelve_or_send_home(copy)


def _find_use(book: LockedBook, copy: Copy, journal: Journal) -> Instruction:
    """A copy that nobody holds: found again after it was lost, or simply scanned."""
    if copy.status == CopyStatus.IN_REPAIR:
        raise CopyUnavailable("The copy is in repair; put it back into service first.")
    if copy.status == CopyStatus.LOST:
        copy.status = CopyStatus.IN_SERVICE
        copy.save(update_fields=["status"])
        book.copies_total += 1
        book.copies_available += 1
    heir = promote(book, journal, because="found", caught=copy)
    return _pass_on(heir, copy, journal) if heir else _reshelve_or_send_home(copy)


def _pass_on(reservation: Reservation, copy: Copy, journal: Journal) -> Instruction:
    """A copy in hand that is set aside for a reader."""
    pickup = reservation.pickup_branch
    if copy.location_id != pickup.pk:
        if reservation.is_on_pull_list:
            journal.amend(reservation, "caught", is_on_pull_list=False)
        return Instruction(Action.SHIP, f"Send it to {pickup.name}, where a reader will pick it up.", reservation.pk)
    if reservation.state == State.IN_TRANSIT:
        reservation.copy = copy
        put_on_hold_shelf(reservation, journal)
    elif reservation.is_on_pull_list:
        journal.amend(reservation, "caught", is_on_pull_list=False)
    return Instruction(Action.HOLD_SHELF, _hold_shelf_detail(reservation, journal.now), reservation.pk)


def _hold_shelf_detail(reservation: Reservation, now: dt.datetime) -> str:
    deadline = reservation.pickup_deadline_at
    if deadline is None:
        terms = get_terms_of(reservation)
        deadline = pickup_deadline_of(reservation.pickup_branch_id, terms, now)
    reader, until = reservation.reader, deadline.isoformat(timespec="minutes")
    return f"Put it on the hold shelf for {reader.username} (card {reader.card_number}), until {until}."


def _reshelve_or_send_home(copy: Copy) -> Instruction:
    if copy.location_id == copy.branch_id:
        return Instruction(Action.RESHELVE, "Nobody waits for it: put it back on its shelf.")
    home: Branch = copy.branch
    _move_to(copy, home.pk)
    return Instruction(Action.SHIP, f"Nobody waits for it: send it home to {home.name}.")


def _move_to(copy: Copy, branch_id: int) -> None:
    if copy.location_id != branch_id:
        copy.location_id = branch_id
        copy.save(update_fields=["location"])

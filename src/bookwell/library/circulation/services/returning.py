"""Check-in: a copy comes back, and staff are told in one word what to do with it."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from bookwell.library.circulation.errors import CopyUnavailable, SelfReturnForbidden
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import LockedBook, lock_book_of_copy, lock_book_of_reservation, save_book
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.queries.branches import get_branch_named
from bookwell.library.circulation.queries.desk import find_holder
from bookwell.library.circulation.queries.policies import get_terms_of
from bookwell.library.circulation.queries.reservations import check_visible
from bookwell.library.circulation.rules import Actor, Cause, CopyStatus, State, check_is_ours, check_state
from bookwell.library.circulation.services.queue import (
    pickup_deadline_of,
    promote,
    release_copy,
    shelve_if_policy_says,
)
from bookwell.library.circulation.services.shelving import put_on_hold_shelf, send_to_pickup_branch
from bookwell.library.network.errors import BranchNeverOpen

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
        CopyNotFound, LibraryUnknown
        CopyUnavailable: if the copy is in repair.
    """
    here = get_branch_named(branch, now=now).id
    book, copy = lock_book_of_copy(barcode)
    journal = Journal(actor=actor, now=now)
    instruction = _take_in(book, copy, here, journal)
    save_book(book)
    journal.write_in_tx()
    return instruction


def return_book(
    *, reservation_id: int, actor: Actor, now: dt.datetime, branch: str | None = None
) -> tuple[Reservation, Instruction]:
    """End a loan: at the desk, or by the reader where the policy allows `self_return`.

    Only a librarian says at which branch; a reader's book counts as where it was lent.

    Raises:
        ReservationNotFound: also for another reader's.
        SelfReturnForbidden, WrongState, LibraryUnknown
    """
    check_visible(reservation_id=reservation_id, actor=actor)
    book, reservation = lock_book_of_reservation(reservation_id)
    check_is_ours(reservation.partner)
    if not (actor.is_librarian or get_terms_of(reservation).self_return):
        raise SelfReturnForbidden
    check_state(State(reservation.state), State.BORROWED)
    copy = reservation.copy
    if copy is None:
        raise AssertionError(f"loan {reservation.pk} has no copy")
    here = get_branch_named(branch, now=now).id if branch and actor.is_librarian else copy.location_id
    journal = Journal(actor=actor, now=now)
    instruction = _end_loan(book, reservation, copy, here, journal)
    save_book(book)
    journal.write_in_tx()
    return reservation, instruction


def _take_in(book: LockedBook, copy: Copy, here: int, journal: Journal) -> Instruction:
    holder = find_holder(copy.pk)
    if holder is not None and holder.state == State.BORROWED:
        return _end_loan(book, holder, copy, here, journal)
    journal.move_copy(copy, here)
    if holder is not None:
        holder.copy = copy
        return _pass_on(holder, copy, journal)
    return _find_use(book, copy, journal)


def _end_loan(book: LockedBook, loan: Reservation, copy: Copy, here: int, journal: Journal) -> Instruction:
    """A copy that its reader returned without the desk is in nobody's hand: whoever gets it, it is on the pull list.

    It stays where it was lent; only the desk sends it anywhere.
    """
    journal.move_copy(copy, here)
    journal.move(loan, State.RETURNED)
    if not journal.actor.is_librarian:
        release_copy(book, journal, because=Cause.SELF_RETURNED)
        return Instruction(Action.RESHELVE, f"Leave it at {copy.location.name}.")
    heir = release_copy(book, journal, because=Cause.RETURNED, caught=copy)
    return _pass_on(heir, copy, journal) if heir else _reshelve_or_send_home(copy, journal)


def _find_use(book: LockedBook, copy: Copy, journal: Journal) -> Instruction:
    """A copy that nobody holds: found again after it was lost, or simply scanned."""
    if copy.status == CopyStatus.IN_REPAIR:
        raise CopyUnavailable("The copy is in repair; put it back into service first.")
    if copy.status == CopyStatus.LOST:
        copy.status = CopyStatus.IN_SERVICE
        journal.save_copy(copy, "found", status=copy.status)
        book.copies_total += 1
        book.copies_available += 1
    heir = promote(book, journal, because=Cause.FOUND, caught=copy)
    return _pass_on(heir, copy, journal) if heir else _reshelve_or_send_home(copy, journal)


def _pass_on(reservation: Reservation, copy: Copy, journal: Journal) -> Instruction:
    """A copy in hand that is set aside for a reader."""
    if copy.location_id != reservation.pickup_branch_id:
        return _send_on(reservation, copy, journal)
    if reservation.state == State.IN_TRANSIT:
        put_on_hold_shelf(reservation, journal)
    else:
        _catch(reservation, journal)
        if reservation.state == State.ASSIGNED:
            shelve_if_policy_says(reservation, journal)
    return Instruction(Action.HOLD_SHELF, _hold_shelf_detail(reservation, journal.now), reservation.pk)


def _send_on(reservation: Reservation, copy: Copy, journal: Journal) -> Instruction:
    """A copy that turned up elsewhere than where its reader picks it up.

    One that was on its way, or lay ready, travels from here at once; one that is only set aside waits for `ship`.
    """
    if reservation.state == State.READY:
        send_to_pickup_branch(reservation, journal)
    elif reservation.state == State.IN_TRANSIT:
        journal.move_copy(copy, reservation.pickup_branch_id, is_travelling=True)
    else:
        _catch(reservation, journal)
    pickup = reservation.pickup_branch.name
    return Instruction(Action.SHIP, f"Send it to {pickup}, where a reader will pick it up.", reservation.pk)


def _catch(reservation: Reservation, journal: Journal) -> None:
    """Nobody needs to fetch it from the open shelf any more."""
    if reservation.is_on_pull_list:
        journal.amend(reservation, "caught", is_on_pull_list=False)


def _hold_shelf_detail(reservation: Reservation, now: dt.datetime) -> str:
    reader, zone = reservation.reader, ZoneInfo(reservation.pickup_branch.time_zone)
    deadline = reservation.pickup_deadline_at
    try:
        deadline = deadline or pickup_deadline_of(reservation.pickup_branch_id, get_terms_of(reservation), now)
    except BranchNeverOpen:
        return f"Keep it for {reader.username} (card {reader.card_number}): this branch does not open again."
    until = deadline.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    return f"Put it on the hold shelf for {reader.username} (card {reader.card_number}), until {until}."


def _reshelve_or_send_home(copy: Copy, journal: Journal) -> Instruction:
    if copy.location_id == copy.branch_id:
        return Instruction(Action.RESHELVE, "Nobody waits for it: put it back on its shelf.")
    journal.move_copy(copy, copy.branch_id, is_travelling=True)
    return Instruction(Action.SHIP, f"Nobody waits for it: send it home to {copy.branch.name}.")

"""Copies: add, change, move, take out of service, write off, remove."""

import datetime as dt
from typing import Any

from bookwell.library.audit.services import Change
from bookwell.library.circulation.errors import BarcodeTaken, BookWithdrawn, CopyHeld
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import LockedBook, lock_book, lock_book_of_copy, save_book
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.queries.branches import get_branch_named
from bookwell.library.circulation.queries.desk import find_holder, has_copy
from bookwell.library.circulation.rules import Actor, Cause, CopyStatus, State
from bookwell.library.circulation.services.queue import promote, release_copy

__all__ = ["add_copy", "change_copy", "remove_copy"]


def add_copy(*, book_id: int, barcode: str, branch: str, actor: Actor, now: dt.datetime, condition: str = "") -> Copy:
    """Add a copy at a branch; if someone waits for the book it is set aside at once.

    Raises:
        BookWithdrawn, LibraryUnknown, BarcodeTaken
    """
    place = get_branch_named(branch, now=now)
    book = lock_book(book_id)
    copy = Copy(barcode=barcode, book_id=book_id, branch_id=place.id, location_id=place.id, condition=condition)
    if copy.book.withdrawn_at is not None:
        raise BookWithdrawn
    if has_copy(barcode):
        raise BarcodeTaken
    copy.save(force_insert=True)
    book.copies_total += 1
    journal = Journal(actor=actor, now=now)
    journal.note(Change("copy.added", "copy", copy.pk, {"barcode": barcode, "book_id": book_id, "branch": place.code}))
    release_copy(book, journal, because=Cause.COPY_ADDED)
    save_book(book)
    journal.write_in_tx()
    return copy


def change_copy(*, barcode: str, changes: dict[str, str], actor: Actor, now: dt.datetime) -> Copy:
    """Change `condition`, `branch` (by code or name; a free copy moves there) or `status`.

    A copy that leaves service while it is set aside sends its reader back to the same place in the queue, and the
    reader hears of it if the copy lay ready; a lent one can only be lost, which ends the loan.

    Raises:
        CopyNotFound, LibraryUnknown
        CopyHeld: if it is lent and should go to repair, or held and should move.
    """
    book, copy = lock_book_of_copy(barcode)
    journal = Journal(actor=actor, now=now)
    if "condition" in changes:
        copy.condition = changes["condition"]
    if "branch" in changes:
        _move(copy, changes["branch"], now)
    old = CopyStatus(copy.status)
    copy.status = CopyStatus(changes.get("status", old))
    if copy.status != old:
        copy.is_travelling = False  # whoever says so has it or gave it up: nobody waits for it to arrive any more
    journal.save_copy(copy, "changed", **changes)
    if copy.status != old:
        _count_status(book, copy, old, journal)
    save_book(book)
    journal.write_in_tx()
    return copy


def remove_copy(*, barcode: str, actor: Actor, now: dt.datetime) -> None:
    """Remove a copy that nobody holds; its past loans keep their history.

    Raises:
        CopyNotFound, CopyHeld
    """
    book, copy = lock_book_of_copy(barcode)
    if find_holder(copy.pk):
        raise CopyHeld
    journal = Journal(actor=actor, now=now)
    journal.note(Change("copy.removed", "copy", copy.pk, {"barcode": barcode, "book_id": book.book_id}))
    _count(book, CopyStatus(copy.status), -1)
    copy.delete()
    save_book(book)
    journal.write_in_tx()


def _move(copy: Copy, branch: str, now: dt.datetime) -> None:
    place = get_branch_named(branch, now=now)
    if place.id == copy.branch_id:
        return
    if find_holder(copy.pk):
        raise CopyHeld
    copy.branch_id = copy.location_id = place.id
    copy.is_travelling = False


def _count_status(book: LockedBook, copy: Copy, old: CopyStatus, journal: Journal) -> None:
    new = CopyStatus(copy.status)
    holder = find_holder(copy.pk) if new is not CopyStatus.IN_SERVICE else None
    if holder is not None:
        _take_away(book, holder, new, journal)
    _count(book, old, -1)
    _count(book, new, +1)
    is_back = new is CopyStatus.IN_SERVICE
    promote(book, journal, because=Cause.COPY_REPAIRED if is_back else Cause.COPY_TAKEN_AWAY)


def _take_away(book: LockedBook, holder: Reservation, new: CopyStatus, journal: Journal) -> None:
    """The held copy is counted as free for a moment, so that the caller counts it out like any other."""
    if holder.state == State.BORROWED:
        if new is not CopyStatus.LOST:
            raise CopyHeld("The copy is lent.")
        journal.move(holder, State.LOST, reason="lost")
    else:
        cleared: dict[str, Any] = {"copy": None, "ready_at": None, "pickup_deadline_at": None}
        journal.move(holder, State.WAITING, **cleared)
        book.queue_length += 1
    book.copies_available += 1


def _count(book: LockedBook, status: CopyStatus, by: int) -> None:
    """Lost copies are not the network's any more; copies in repair are, but serve nobody."""
    if status is not CopyStatus.LOST:
        book.copies_total += by
    if status is CopyStatus.IN_SERVICE:
        book.copies_available += by

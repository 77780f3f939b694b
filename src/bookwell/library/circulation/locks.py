"""Every row lock of circulation.

Order: the reader before the book; several books in the order of their ids. The book's lock is its holding row, which
also carries the book's counters; it guards the book's copies and its queue.
"""

import json
from dataclasses import dataclass

from django.db import connection

from bookwell.library.circulation.errors import (
    BookWithdrawn,
    CopyNotFound,
    PolicyNotFound,
    ReaderNotFound,
    ReservationNotFound,
)
from bookwell.library.circulation.models import Copy, Policy, Reservation

__all__ = [
    "LockedBook",
    "LockedReader",
    "lock_book",
    "lock_book_of_copy",
    "lock_book_of_reservation",
    "lock_policy",
    "lock_reader",
    "save_book",
]


@dataclass(slots=True)
class LockedBook:
    """A book's counters under its lock. A use case changes them and hands them to `save_book` at its end."""

    book_id: int
    copies_total: int
    copies_available: int
    queue_length: int
    next_queue_no: int
    version: int


@dataclass(frozen=True, slots=True)
class LockedReader:
    """A reader under lock: nobody else can add to what this reader has."""

    reader_id: int
    username: str
    email: str
    language: str
    channels: list[str]
    category: str
    home_branch_id: int | None


def _for_update() -> str:
    if not connection.in_atomic_block:
        raise AssertionError("Locks are taken inside a transaction.")
    return "" if connection.vendor == "sqlite" else " FOR UPDATE"


def lock_reader(reader_id: int, *, is_active: bool = True) -> LockedReader:
    """Lock the reader's row; with `is_active=False` also a deactivated reader's.

    Raises:
        ReaderNotFound: if there is none, or the account is not active.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, username, email, language, channels, category_id, home_branch_id FROM account "
            "WHERE id = %s" + (" AND is_active" if is_active else "") + _for_update(),
            (reader_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise ReaderNotFound
    return LockedReader(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5], row[6])


def lock_book(book_id: int) -> LockedBook:
    """Lock the book's holding row.

    Raises:
        BookWithdrawn: if there is no such book.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT book_id, copies_total, copies_available, queue_length, next_queue_no, version FROM holding "
            "WHERE book_id = %s" + _for_update(),
            (book_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise BookWithdrawn
    return LockedBook(*row)


def save_book(book: LockedBook) -> None:
    """Write the counters back and count the book's version up; the last write of a use case on this book."""
    book.version += 1
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE holding SET copies_total = %s, copies_available = %s, queue_length = %s, next_queue_no = %s, "
            "version = %s WHERE book_id = %s",
            (
                book.copies_total,
                book.copies_available,
                book.queue_length,
                book.next_queue_no,
                book.version,
                book.book_id,
            ),
        )


def lock_book_of_copy(barcode: str) -> tuple[LockedBook, Copy]:
    """Lock the book of a copy, then read the copy as it is under that lock.

    Raises:
        CopyNotFound: if there is none, or it became another book's meanwhile.
    """
    book_id = Copy.objects.filter(barcode=barcode).values_list("book_id", flat=True).first()
    if book_id is None:
        raise CopyNotFound
    book = lock_book(book_id)
    copy = Copy.objects.select_related("branch", "location", "book").filter(barcode=barcode, book_id=book_id).first()
    if copy is None:
        raise CopyNotFound
    return book, copy


def lock_policy(policy_id: int) -> Policy:
    """Lock a policy while it is changed.

    Raises:
        PolicyNotFound
    """
    policy = Policy.objects.select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise PolicyNotFound
    return policy


def lock_book_of_reservation(reservation_id: int) -> tuple[LockedBook, Reservation]:
    """Lock the book of a reservation, then read the reservation as it is under that lock.

    Raises:
        ReservationNotFound: if there is none.
    """
    book_id = Reservation.objects.filter(pk=reservation_id).values_list("book_id", flat=True).first()
    if book_id is None:
        raise ReservationNotFound
    book = lock_book(book_id)
    return book, Reservation.objects.select_related("reader", "book", "pickup_branch", "copy").get(pk=reservation_id)

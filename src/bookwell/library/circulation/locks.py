"""Every row lock of circulation.

Order: the reader before the book; several books in the order of their ids. The book's lock is its holding row, which
also carries the book's counters; it guards the book's copies and its queue.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Q

from bookwell.kit.adapters.django.statements import Rows, Statement, execute_together, fetch_all
from bookwell.library.accounts.queries import SessionEnded
from bookwell.library.circulation.errors import (
    BookWithdrawn,
    CopyNotFound,
    PolicyNotFound,
    ReaderNotFound,
    ReservationNotFound,
)
from bookwell.library.circulation.models import Copy, PartnerHold, Policy, Reservation

__all__ = [
    "LockedBook",
    "LockedReader",
    "claim_hold",
    "claim_poll",
    "lock_book",
    "lock_book_of_copy",
    "lock_book_of_reservation",
    "lock_policy",
    "lock_reader",
    "lock_reader_and_book",
    "release_hold",
    "save_book",
    "saving",
]

_SAVE_BOOK = (
    "UPDATE holding SET copies_total = %s, copies_available = %s, queue_length = %s, next_queue_no = %s, "
    "version = %s WHERE book_id = %s"
)


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
    home_branch_id: int | None


_LOCK_READER = "SELECT id, username, email, language, channels, home_branch_id FROM account WHERE id = %s"
# As others lock them: the account, then its session.
_LOCK_CALLER = (
    "SELECT a.id, a.username, a.email, a.language, a.channels, a.home_branch_id FROM account a "
    "JOIN token_session s ON s.user_id = a.id WHERE a.id = %s AND a.is_active AND s.sid = %s AND s.revoked_at IS NULL"
)
_LOCK_BOOK = (
    "SELECT book_id, copies_total, copies_available, queue_length, next_queue_no, version FROM holding "
    "WHERE book_id = %s"
)


def _for_update() -> str:
    database = connections[DEFAULT_DB_ALIAS]
    if not database.in_atomic_block:
        raise AssertionError("Locks are taken inside a transaction.")
    return "" if database.vendor == "sqlite" else " FOR UPDATE"


def lock_reader(reader_id: int, *, is_active: bool = True) -> LockedReader:
    """Lock the reader's row; with `is_active=False` also a deactivated reader's.

    Raises:
        ReaderNotFound: if there is none, or the account is not active.
    """
    statement = _lock_reader(reader_id, is_active=is_active)
    return _reader_of(fetch_all(statement.text, statement.parameters))


def lock_book(book_id: int) -> LockedBook:
    """Lock the book's holding row.

    Raises:
        BookWithdrawn: if there is no such book.
    """
    statement = _lock_book(book_id)
    return _book_of(fetch_all(statement.text, statement.parameters))


def lock_reader_and_book(
    *, reader_id: int, book_id: int, session_id: str | None = None, then: Sequence[Statement] = ()
) -> tuple[LockedReader, LockedBook, Sequence[Rows]]:
    """Lock an active reader, then the book, and read `then`, statement by statement, behind both locks.

    With `session_id`, the reader's session is locked with the reader, and has to be live.

    Raises:
        SessionEnded: if it is not, or the reader is not active.
        ReaderNotFound, BookWithdrawn: as the two locks alone.
    """
    first = _lock_caller(reader_id, session_id) if session_id else _lock_reader(reader_id, is_active=True)
    readers, books, *read = execute_together(first, _lock_book(book_id), *then)
    if session_id and not readers:
        raise SessionEnded
    return _reader_of(readers), _book_of(books), read


def _lock_caller(reader_id: int, session_id: str) -> Statement:
    return Statement(_LOCK_CALLER + _for_update(), (reader_id, session_id))


def _lock_reader(reader_id: int, *, is_active: bool) -> Statement:
    return Statement(_LOCK_READER + (" AND is_active" if is_active else "") + _for_update(), (reader_id,))


def _reader_of(rows: Rows) -> LockedReader:
    if not rows:
        raise ReaderNotFound
    reader_id, username, email, language, channels, home_branch_id = rows[0]
    return LockedReader(reader_id, username, email, language, json.loads(channels), home_branch_id)


def _lock_book(book_id: int) -> Statement:
    return Statement(_LOCK_BOOK + _for_update(), (book_id,))


def _book_of(rows: Rows) -> LockedBook:
    if not rows:
        raise BookWithdrawn
    return LockedBook(*rows[0])


def save_book(book: LockedBook) -> None:
    """Write the counters back and count the book's version up; the last write of a use case on this book."""
    execute_together(saving(book))


def saving(book: LockedBook) -> Statement:
    """What `save_book` runs, to be sent with others."""
    book.version += 1
    counters = (book.copies_total, book.copies_available, book.queue_length, book.next_queue_no, book.version)
    return Statement(_SAVE_BOOK, (*counters, book.book_id))


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


def claim_hold(reservation_id: int, *, now: dt.datetime, until: dt.datetime) -> bool:
    """Take the right to talk with the partner about a hold, which ends by itself; False while somebody has it.

    It is a column and no row lock, because it has to outlast the transaction: a partner may take long to answer.
    """
    mine = PartnerHold.objects.filter(_is_free(now), pk=reservation_id)
    return bool(mine.update(asking_until=until))


def claim_poll(
    reservation_id: int,
    *,
    due_at: dt.datetime | None,
    again_at: dt.datetime,
    now: dt.datetime,
    until: dt.datetime,
) -> bool:
    """The same for a look at a hold that was due since `due_at`; False also if another run has looked meanwhile."""
    mine = PartnerHold.objects.filter(_is_free(now), pk=reservation_id, poll_at=due_at)
    return bool(mine.update(poll_at=again_at, asking_until=until))


def release_hold(reservation_id: int, *, until: dt.datetime) -> None:
    """Give the right back that a claim took `until` then; one that another has taken over stays theirs."""
    PartnerHold.objects.filter(pk=reservation_id, asking_until=until).update(asking_until=None)


def _is_free(now: dt.datetime) -> Q:
    return Q(asking_until=None) | Q(asking_until__lte=now)

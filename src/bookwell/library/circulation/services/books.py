"""Titles with their holdings: what the catalogue and circulation do to a book together."""

import datetime as dt
from collections.abc import Sequence

from django.db import connection

from bookwell.library.audit.services import Change, record_in_tx
from bookwell.library.catalog.importing.records import Record
from bookwell.library.catalog.importing.store import Plan, plan_records, write_plan_in_tx
from bookwell.library.catalog.models import Book
from bookwell.library.catalog.rules import BookData
from bookwell.library.catalog.services import create_book_in_tx, withdraw_book_in_tx
from bookwell.library.circulation.errors import BookHasCopies, BookHasOpenReservations
from bookwell.library.circulation.locks import lock_book
from bookwell.library.circulation.models import Copy, Reservation

__all__ = ["add_book", "add_holdings_in_tx", "import_books", "remove_book"]

_HOLDINGS = (
    "INSERT INTO holding (book_id, copies_total, copies_available, queue_length, next_queue_no, version) VALUES "
)


def add_book(*, data: BookData, actor_id: int, now: dt.datetime) -> Book:
    """Add a title to the catalogue, with a holding of no copies yet.

    Raises:
        TitleMissing, IsbnInvalid, LanguageInvalid, IsbnTaken
    """
    book = create_book_in_tx(data=data, actor_id=actor_id, now=now)
    add_holdings_in_tx([book.pk])
    return book


def add_holdings_in_tx(book_ids: Sequence[int]) -> None:
    """Add an empty holding for each of some new books, in one statement."""
    if not book_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_HOLDINGS + ", ".join(["(%s, 0, 0, 0, 1, 0)"] * len(book_ids)), list(book_ids))


def remove_book(*, book_id: int, actor_id: int, now: dt.datetime) -> None:
    """Withdraw a title that has neither copies nor open reservations; its history stays.

    Raises:
        BookWithdrawn, BookNotFound
        BookHasCopies: also when the only copies are lost or in repair.
        BookHasOpenReservations
    """
    lock_book(book_id)
    if Copy.objects.filter(book_id=book_id).exists():
        raise BookHasCopies
    if Reservation.objects.filter(book_id=book_id, open_marker=1).exists():
        raise BookHasOpenReservations
    withdraw_book_in_tx(book_id=book_id, actor_id=actor_id, now=now)


def import_books(records: Sequence[Record], *, actor_id: int, now: dt.datetime) -> Plan:
    """Store a batch of records, with empty holdings for the new books and one audit entry for the whole batch."""
    plan = plan_records(records)
    new_ids = write_plan_in_tx(plan, now=now)
    add_holdings_in_tx(new_ids)
    if plan.new or plan.changed:
        first = min([*new_ids[:1], *(book_id for book_id, _ in plan.changed)])
        data = {"created": len(plan.new), "changed": len(plan.changed)}
        record_in_tx([Change("book.imported", "book", first, data)], actor_id=actor_id)
    return plan

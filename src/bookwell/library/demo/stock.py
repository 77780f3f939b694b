"""The sample library's books, and how many copies of each stand where."""

import datetime as dt
from collections.abc import Sequence
from importlib import resources

from bookwell.library.audit.services import SYSTEM as SYSTEM_ID
from bookwell.library.catalog.importing.csv_source import read_csv
from bookwell.library.catalog.importing.pipeline import import_records
from bookwell.library.catalog.importing.records import Rejection
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.rules import SYSTEM
from bookwell.library.circulation.services import add_copy
from bookwell.library.circulation.services.books import import_books
from bookwell.library.demo.places import MAIN

__all__ = ["add_stock"]

_SINGLE_COPY_AUTHOR = "Tolkien"
_IN_THREE_COPIES = "The Silmarillion (Middle-Earth Universe)"
_FIRST_BARCODE = 30_000_000_001


def add_stock(branches: Sequence[str], *, now: dt.datetime) -> None:
    """Import the books, and give each one to three copies, the same ones every time.

    Books by Tolkien have a single copy, at the Main Library, which makes a queue easy; The Silmarillion has three.
    """
    with resources.files("bookwell.library.demo").joinpath("books.csv").open("rb") as file:
        import_records(
            read_csv(file),
            store=lambda records: import_books(records, actor_id=SYSTEM_ID, now=now),
            reject=_refuse,
        )
    barcode = _FIRST_BARCODE
    for place, book in enumerate(Book.objects.filter(withdrawn_at=None).order_by("id")):
        for branch in _copies(place, book, branches):
            add_copy(book_id=book.pk, barcode=str(barcode), branch=branch, actor=SYSTEM, now=now)
            barcode += 1


def _copies(place: int, book: Book, branches: Sequence[str]) -> list[str]:
    if any(_SINGLE_COPY_AUTHOR in author for author in book.authors):
        return [MAIN] * (3 if book.title == _IN_THREE_COPIES else 1)
    return [branches[(place + number) % len(branches)] for number in range((1, 1, 2, 1, 3)[place % 5])]


def _refuse(rejection: Rejection) -> None:
    raise AssertionError(f"A sample book is wrong: {rejection}")

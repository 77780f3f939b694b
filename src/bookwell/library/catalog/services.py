"""Cataloguing: create, change and withdraw titles, each with the words it is found by.

Circulation composes these with its own rows: a book needs a holding, and one with copies stays.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from bookwell.kit.adapters.django.constraints import map_constraint
from bookwell.library.audit.services import Change, record_in_tx
from bookwell.library.catalog.errors import ControlNumberTaken, IsbnTaken
from bookwell.library.catalog.locks import lock_title
from bookwell.library.catalog.models import YEAR_UNKNOWN, Book
from bookwell.library.catalog.rules import BookData
from bookwell.library.catalog.search_index import remove_terms_in_tx, write_terms_in_tx
from bookwell.library.catalog.search_terms import index_terms, title_key

__all__ = ["change_book", "create_book_in_tx", "withdraw_book_in_tx"]

map_constraint("book_isbn_once", IsbnTaken, sqlite_columns="book.isbn")
map_constraint("book_control_number_once", ControlNumberTaken, sqlite_columns="book.control_number")


def create_book_in_tx(*, data: BookData, actor_id: int, now: dt.datetime) -> Book:
    """Add a title; its holding row is the caller's to add.

    Raises:
        TitleMissing, NamesInvalid, IsbnInvalid, LanguageInvalid, IsbnTaken
    """
    checked = data.checked()
    book = Book.objects.create(
        **asdict(checked),
        title_key=title_key(checked.title),
        year_key=_year_key(checked.year),
        created_at=now,
        updated_at=now,
    )
    _write_terms(book)
    record_in_tx([Change("book.created", "book", book.pk, {"isbn": book.isbn})], actor_id=actor_id)
    return book


def change_book(*, book_id: int, changes: Mapping[str, Any], actor_id: int, now: dt.datetime) -> Book:
    """Change some fields of `BookData`; nothing is written, and no version counted up, when nothing differs.

    Raises:
        BookNotFound, TitleMissing, NamesInvalid, IsbnInvalid, LanguageInvalid, IsbnTaken
    """
    book = lock_title(book_id)
    before = BookData(**{column.name: getattr(book, column.name) for column in fields(BookData)})
    after = asdict(replace(before, **changes).checked())
    changed = {name: value for name, value in after.items() if value != getattr(before, name)}
    if not changed:
        return book
    for name, value in changed.items():
        setattr(book, name, value)
    book.title_key, book.year_key = title_key(book.title), _year_key(book.year)
    book.updated_at = now
    book.version += 1
    book.save()
    _write_terms(book)
    record_in_tx([Change("book.changed", "book", book.pk, {"fields": sorted(changed)})], actor_id=actor_id)
    return book


def withdraw_book_in_tx(*, book_id: int, actor_id: int, now: dt.datetime) -> None:
    """Take a title out of the catalogue. The row stays for its history; its ISBN and control number become free.

    Raises:
        BookNotFound
    """
    book = lock_title(book_id)
    data = {"isbn": book.isbn, "control_number": book.control_number}
    book.isbn = book.control_number = None
    book.withdrawn_at = book.updated_at = now
    book.version += 1
    book.save(update_fields=["isbn", "control_number", "withdrawn_at", "updated_at", "version"])
    remove_terms_in_tx(book_id)
    record_in_tx([Change("book.withdrawn", "book", book_id, data)], actor_id=actor_id)


def _write_terms(book: Book) -> None:
    terms = index_terms(title=book.title, authors=book.authors, subjects=book.subjects, isbn=book.isbn)
    write_terms_in_tx([(book.pk, terms)])


def _year_key(year: int | None) -> int:
    return YEAR_UNKNOWN if year is None else year

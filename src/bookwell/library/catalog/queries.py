"""Reads of titles alone; what is listed and shown with counters is circulation's to read."""

from collections.abc import Collection

from django.db.models import Q

from bookwell.library.catalog.errors import BookNotFound
from bookwell.library.catalog.isbn import isbn13_of
from bookwell.library.catalog.models import Book

__all__ = ["find_isbn", "get_book", "get_book_id_of_isbn", "list_books_named"]


def get_book(book_id: int) -> Book:
    """The book that is in the catalogue.

    Raises:
        BookNotFound
    """
    book = Book.objects.filter(pk=book_id, withdrawn_at=None).first()
    if book is None:
        raise BookNotFound
    return book


def get_book_id_of_isbn(isbn: str) -> int:
    """The book with an ISBN, typed in any way.

    Raises:
        IsbnInvalid, BookNotFound
    """
    book_id = Book.objects.filter(isbn=isbn13_of(isbn), withdrawn_at=None).values_list("pk", flat=True).first()
    if book_id is None:
        raise BookNotFound
    return book_id


def find_isbn(book_id: int) -> str | None:
    """A book's ISBN-13; None when it has none, or there is no such book."""
    return Book.objects.filter(pk=book_id, withdrawn_at=None).values_list("isbn", flat=True).first()


def list_books_named(*, ids: Collection[int], isbns: Collection[str]) -> list[Book]:
    """The books of the catalogue with one of these ids or ISBN-13s."""
    return list(Book.objects.filter(Q(pk__in=ids) | Q(isbn__in=isbns), withdrawn_at=None))

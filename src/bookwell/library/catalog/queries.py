"""Reads of titles alone; what is listed and shown with counters is circulation's to read."""

from bookwell.library.catalog.errors import BookNotFound
from bookwell.library.catalog.models import Book

__all__ = ["get_book"]


def get_book(book_id: int) -> Book:
    """The book that is in the catalogue.

    Raises:
        BookNotFound
    """
    book = Book.objects.filter(pk=book_id, withdrawn_at=None).first()
    if book is None:
        raise BookNotFound
    return book

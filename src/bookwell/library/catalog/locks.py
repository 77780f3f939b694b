"""Row locks of titles. Where the book's holding is locked as well, it comes first."""

from bookwell.library.catalog.errors import BookNotFound
from bookwell.library.catalog.models import Book

__all__ = ["lock_title"]


def lock_title(book_id: int) -> Book:
    """The book that is in the catalogue, locked until the transaction's end.

    Raises:
        BookNotFound
    """
    book = Book.objects.select_for_update().filter(pk=book_id, withdrawn_at=None).first()
    if book is None:
        raise BookNotFound
    return book

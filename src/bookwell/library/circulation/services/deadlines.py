"""Time's own use case: a queue goes on by itself. Expiry is in `ending`."""

import datetime as dt

from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book, save_book
from bookwell.library.circulation.rules import SYSTEM, Cause
from bookwell.library.circulation.services.queue import promote

__all__ = ["resume_queue"]


def resume_queue(*, book_id: int, now: dt.datetime) -> None:
    """Serve the queue of a book after a suspension in it ended.

    Raises:
        BookWithdrawn
    """
    book = lock_book(book_id)
    journal = Journal(actor=SYSTEM, now=now)
    promote(book, journal, because=Cause.SUSPENSION_ENDED)
    save_book(book)
    journal.write_in_tx()

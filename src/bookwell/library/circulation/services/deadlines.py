"""Time's own use cases: what is due by now. Every step is safe to run twice and by two workers."""

import datetime as dt
from dataclasses import dataclass

from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book, save_book
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import SYSTEM, State
from bookwell.library.circulation.services.queue import promote

__all__ = ["DueWork", "find_due_work", "resume_queue"]


@dataclass(frozen=True, slots=True)
class DueWork:
    """Reservations whose time is up, and books whose free copies someone may claim again."""

    reservation_ids: list[int]
    book_ids: list[int]


def find_due_work(*, now: dt.datetime, limit: int = 500) -> DueWork:
    """At most `limit` of each; no lock is held, so each is decided again when its book is locked."""
    ready = Reservation.objects.filter(state=State.READY, pickup_deadline_at__lte=now)
    queued = Reservation.objects.filter(
        open_marker=1, reserved_until__lte=now, state__in=(State.WAITING, State.REQUESTED, State.ACCEPTED)
    )
    # Who is blocked besides is served when the block is lifted, and must not fill the list until then.
    resumed = Reservation.objects.filter(
        state=State.WAITING,
        suspended_until__lte=now,
        book__holding__copies_available__gt=0,
        reader__blocks__isnull=True,
    )
    ids = [*ready.values_list("pk", flat=True)[:limit], *queued.values_list("pk", flat=True)[:limit]]
    return DueWork(ids, sorted(set(resumed.values_list("book_id", flat=True)[:limit])))


def resume_queue(*, book_id: int, now: dt.datetime) -> None:
    """Serve the queue of a book after a suspension in it ended.

    Raises:
        BookWithdrawn
    """
    book = lock_book(book_id)
    journal = Journal(actor=SYSTEM, now=now)
    promote(book, journal, because="suspension_ended")
    save_book(book)
    journal.write_in_tx()

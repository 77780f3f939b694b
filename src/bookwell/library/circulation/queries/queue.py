"""Who is next, and with which copy. Exact under the book's lock."""

import datetime as dt

from django.db.models import Case, Exists, IntegerField, OuterRef, Q, QuerySet, Value, When

from bookwell.library.circulation.models import Block, Copy, Reservation
from bookwell.library.circulation.rules import CopyStatus, State

__all__ = ["count_earlier_waiting", "eligible", "find_free_copy", "find_next_eligible"]


def eligible(now: dt.datetime) -> QuerySet[Reservation]:
    """Who waits and may be served: not suspended, not blocked, active, and still wanting the book.

    Overdue loans do not cost the place in a queue; they are settled at the desk, where the book is picked up.
    """
    return (
        Reservation.objects.filter(state=State.WAITING, reader__is_active=True)
        .filter(Q(suspended_until__isnull=True) | Q(suspended_until__lte=now))
        .filter(Q(reserved_until__isnull=True) | Q(reserved_until__gt=now))
        .exclude(Exists(Block.objects.filter(reader_id=OuterRef("reader_id"))))
    )


def find_next_eligible(*, book_id: int, now: dt.datetime) -> Reservation | None:
    """The first in the queue of a book who may be served."""
    return (
        eligible(now)
        .filter(book_id=book_id)
        .select_related("reader", "book", "pickup_branch")
        .order_by("queue_no")
        .first()
    )


def count_earlier_waiting(reservation: Reservation) -> int:
    """How many wait before this reservation."""
    return Reservation.objects.filter(
        book_id=reservation.book_id, state=State.WAITING, queue_no__lt=reservation.queue_no
    ).count()


def find_free_copy(*, book_id: int, preferred_branch_id: int, spared: Copy | None = None) -> Copy | None:
    """A copy in service that nobody holds: one that stands before one that travels, best at the preferred branch.

    The `spared` one is in a librarian's hand for somebody else and is taken last.
    """
    rank = Case(
        When(pk=spared.pk if spared else None, then=Value(4)),
        When(is_travelling=True, then=Value(2)),
        When(location_id=preferred_branch_id, then=Value(0)),
        default=Value(1),
        output_field=IntegerField(),
    )
    return (
        Copy.objects.filter(book_id=book_id, status=CopyStatus.IN_SERVICE)
        .exclude(Exists(Reservation.objects.filter(held_copy_id=OuterRef("pk"))))
        .order_by(rank, "pk")
        .first()
    )

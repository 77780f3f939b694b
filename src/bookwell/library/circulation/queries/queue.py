"""Who is next, and with which copy. Exact under the book's lock."""

import datetime as dt

from django.db.models import Case, Exists, IntegerField, OuterRef, Q, QuerySet, Value, When

from bookwell.library.circulation.models import Block, Copy, Reservation
from bookwell.library.circulation.rules import CopyStatus, State

__all__ = ["count_earlier_waiting", "find_free_copy", "find_next_eligible", "free_copies"]


def find_next_eligible(*, book_id: int, now: dt.datetime) -> Reservation | None:
    """The first in the queue who is not suspended, not blocked and still wants the book."""
    return (
        Reservation.objects.filter(book_id=book_id, state=State.WAITING)
        .filter(Q(suspended_until__isnull=True) | Q(suspended_until__lte=now))
        .filter(Q(reserved_until__isnull=True) | Q(reserved_until__gt=now))
        .exclude(Exists(Block.objects.filter(reader_id=OuterRef("reader_id"))))
        .select_related("reader", "book", "pickup_branch")
        .order_by("queue_no")
        .first()
    )


def count_earlier_waiting(reservation: Reservation) -> int:
    """How many wait before this reservation."""
    return Reservation.objects.filter(
        book_id=reservation.book_id, state=State.WAITING, queue_no__lt=reservation.queue_no
    ).count()


def free_copies(book_id: int) -> QuerySet[Copy]:
    """The book's copies that are in service and nobody's."""
    return Copy.objects.filter(book_id=book_id, status=CopyStatus.IN_SERVICE).exclude(
        Exists(Reservation.objects.filter(held_copy_id=OuterRef("pk")))
    )


def find_free_copy(*, book_id: int, preferred_branch_id: int) -> Copy | None:
    """A free copy, at the preferred branch if one stands there."""
    elsewhere = Case(
        When(location_id=preferred_branch_id, then=Value(0)), default=Value(1), output_field=IntegerField()
    )
    return free_copies(book_id).order_by(elsewhere, "pk").first()

"""Where a book's copies stand, and which of them are free."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Subquery, Sum, Value, When

from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.queries.branches import get_home_branch
from bookwell.library.circulation.rules import DEFAULT_TERMS, CopyStatus, State, estimate_ready_on

__all__ = [
    "CopyState",
    "Outlook",
    "due_dates_of_copies",
    "get_outlooks",
    "list_branch_availability",
    "list_copy_states",
]


def list_branch_availability(book_id: int, *, now: dt.datetime) -> list[dict[str, Any]]:
    """The branches where copies of a book stand, in the network's order, with how many are free; one statement."""
    held = Exists(Reservation.objects.filter(held_copy_id=OuterRef("pk")))
    is_free = Case(
        When(held, then=Value(0)),
        When(status=CopyStatus.IN_SERVICE, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    rows = (
        Copy.objects.filter(book_id=book_id)
        .exclude(status=CopyStatus.LOST)
        .annotate(is_free=is_free)
        .values("location__name", "location__code", "location__position")
        .annotate(copies=Count("pk"), free=Sum("is_free"))
        .order_by("location__position", "location__code")
    )
    return [
        {
            "library": row["location__name"],
            "code": row["location__code"],
            "copies": row["copies"],
            "free": row["free"],
            "fetched_at": now,
        }
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class CopyState:
    """A copy as anybody may know it: where it stands, and whether somebody could have it now."""

    book_id: int
    barcode: str
    branch: str
    is_free: bool
    is_in_service: bool


def list_copy_states(book_ids: list[int]) -> list[CopyState]:
    """The copies of some books that are not lost, by barcode; one statement."""
    held = Exists(Reservation.objects.filter(held_copy_id=OuterRef("pk")))
    copies = Copy.objects.filter(book_id__in=book_ids).exclude(status=CopyStatus.LOST)
    rows = copies.annotate(is_held=held).values_list("book_id", "barcode", "location__name", "status", "is_held")
    return [
        CopyState(book_id, barcode, branch, status == CopyStatus.IN_SERVICE and not is_held, status == "in_service")
        for book_id, barcode, branch, status, is_held in rows.order_by("barcode")
    ]


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many wait for a book, and when one who asked now would have it; None when no copy will come back."""

    queue_length: int
    expected_on: dt.date | None


def due_dates_of_copies(
    book_ids: Iterable[int], *, free_at: dt.datetime | None = None
) -> Mapping[int, Sequence[dt.datetime | None]]:
    """By book, when each of its copies in service is due, None for one that is set aside; one statement.

    A free one is due at `free_at`: beside a queue it is there for who is passed over until a day. Lost copies and those
    in repair may never come back: nobody can count on them.
    """
    holder = Reservation.objects.filter(held_copy_id=OuterRef("pk"))
    due_at = Subquery(holder.filter(state=State.BORROWED).values("due_at"))
    serving = Copy.objects.filter(book_id__in=list(book_ids), status=CopyStatus.IN_SERVICE)
    found: dict[int, list[dt.datetime | None]] = defaultdict(list)
    for book_id, due, is_held in serving.values_list("book_id", due_at, Exists(holder)):
        found[book_id].append(due if is_held else free_at)
    return found


def get_outlooks(book_ids: list[int], *, now: dt.datetime) -> dict[int, Outlook]:
    """The outlook for each of some books, by the same estimate as a reader's who joins the queue; three statements.

    Nobody has said where the book will be picked up: it is the day at the network's first branch.
    """
    due_dates = due_dates_of_copies(book_ids)
    time_zone = get_home_branch(None, now=now).calendar.time_zone if due_dates else "UTC"
    return {
        holding.book_id: Outlook(
            holding.queue_length,
            estimate_ready_on(
                position=holding.queue_length + 1,
                loans_due_at=[due for due in due_dates[holding.book_id] if due],
                copies=len(due_dates[holding.book_id]),
                loan_days=DEFAULT_TERMS.loan_days,
                time_zone=time_zone,
                now=now,
            ),
        )
        for holding in Holding.objects.filter(pk__in=book_ids)
    }

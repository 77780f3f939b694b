"""Reservations at partners, and books whose readers might be served by one."""

import datetime as dt

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import PartnerHold, Reservation
from bookwell.library.circulation.rules import State
from bookwell.library.partners.models import PartnerAnswer

__all__ = [
    "find_hold_to_cancel",
    "has_earlier_wish",
    "has_unsettled_hold",
    "list_due_polls",
    "list_other_refs",
    "list_unchecked_books",
]


def list_other_refs(reservation: Reservation) -> list[str]:
    """The partner's refs of other readers' open holds for the same book."""
    holds = PartnerHold.objects.filter(
        reservation__book_id=reservation.book_id, reservation__partner=reservation.partner, reservation__open_marker=1
    ).exclude(ref="")
    return list(holds.exclude(pk=reservation.pk).order_by("pk").values_list("ref", flat=True)[:100])


def has_unsettled_hold(reservation: Reservation) -> bool:
    """Whether another hold for the same book at the same partner is being placed, or still to be taken back there."""
    is_being_placed = Q(asked_at__isnull=False, answered_at=None)
    is_to_take_back = Q(reservation__state__in=(State.CANCELLED, State.EXPIRED), cancelled_at=None) & ~Q(ref="")
    return _others_of_book(reservation).filter(is_being_placed | is_to_take_back).exists()


def has_earlier_wish(reservation: Reservation) -> bool:
    """Whether somebody wanted the same book of the same partner before, for whom it has not been asked yet."""
    is_wanted = Q(reservation__state=State.REQUESTED, asked_at=None, answered_at=None)
    return _others_of_book(reservation).filter(is_wanted, pk__lt=reservation.pk).exists()


def _others_of_book(reservation: Reservation) -> QuerySet[PartnerHold]:
    return PartnerHold.objects.filter(
        reservation__book_id=reservation.book_id, reservation__partner=reservation.partner
    ).exclude(pk=reservation.pk)


def find_hold_to_cancel(reservation_id: int) -> tuple[str, str] | None:
    """Partner and ref of an ended reservation's hold that is still to be cancelled there."""
    ended = PartnerHold.objects.filter(pk=reservation_id, reservation__open_marker=None)
    holds = ended.filter(cancelled_at=None).exclude(ref="")
    return holds.values_list("reservation__partner", "ref").first()


def list_due_polls(*, now: dt.datetime, limit: int) -> list[tuple[int, str, str, dt.datetime | None]]:
    """Holds to look at: reservation, partner, ref, and since when; those that have waited longest first."""
    due = PartnerHold.objects.filter(poll_at__lte=now).exclude(ref="").order_by("poll_at")
    return list(due.values_list("pk", "reservation__partner", "ref", "poll_at")[:limit])


def list_unchecked_books(*, since: dt.datetime, limit: int) -> list[tuple[int, str]]:
    """Books with ISBNs that readers wait for and no partner was asked about since then: ids and ISBNs.

    Those come first that nobody ever asked about, then those whose last time is longest ago: each has its turn.
    """
    wanted = Reservation.objects.filter(state=State.WAITING).values("book_id")
    checks = PartnerAnswer.objects.filter(book_id=OuterRef("pk")).order_by("-checked_at").values("checked_at")[:1]
    books = Book.objects.filter(pk__in=wanted, isbn__isnull=False, withdrawn_at=None).annotate(last=Subquery(checks))
    due = books.filter(Q(last=None) | Q(last__lte=since)).order_by(F("last").asc(nulls_first=True), "pk")
    return [(pk, isbn) for pk, isbn in due.values_list("pk", "isbn")[:limit] if isbn]

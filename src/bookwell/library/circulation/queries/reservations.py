"""Reservations as their readers and the desk see them."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Case, Count, IntegerField, OuterRef, Q, QuerySet, Subquery, When

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.pages import Position
from bookwell.library.circulation.errors import ReservationNotFound
from bookwell.library.circulation.models import Policy, Reservation
from bookwell.library.circulation.rules import DEFAULT_TERMS, Actor, State, estimate_ready_on
from bookwell.library.circulation.views import ReservationView

__all__ = [
    "ReservationFilter",
    "annotated_reservations",
    "check_visible",
    "get_reader_id",
    "get_view",
    "list_views",
    "views_of",
]


@dataclass(frozen=True, slots=True)
class ReservationFilter:
    """What a list is narrowed to; None means anything."""

    reader_id: int | None = None
    state: State | None = None
    book_id: int | None = None
    branch: str | None = None
    is_overdue: bool | None = None


def get_reader_id(reservation_id: int) -> int:
    """Whose reservation it is.

    Raises:
        ReservationNotFound
    """
    reader_id = Reservation.objects.filter(pk=reservation_id).values_list("reader_id", flat=True).first()
    if reader_id is None:
        raise ReservationNotFound
    return reader_id


def check_visible(*, reservation_id: int, actor: Actor) -> None:
    """Let pass who may know of the reservation: its reader and librarians.

    Raises:
        ReservationNotFound: also when it is another reader's and the actor is no librarian.
    """
    if get_reader_id(reservation_id) != actor.user_id and not actor.is_librarian:
        raise ReservationNotFound


def get_view(*, reservation_id: int, actor: Actor, now: dt.datetime) -> ReservationView:
    """One reservation; two statements.

    Raises:
        ReservationNotFound: also when it is another reader's and the actor is no librarian.
    """
    rows = list(annotated_reservations().filter(pk=reservation_id))
    if not rows or (rows[0].reader_id != actor.user_id and not actor.is_librarian):
        raise ReservationNotFound
    return views_of(rows, now)[0]


def list_views(wanted: ReservationFilter, *, position: Position, limit: int, now: dt.datetime) -> list[ReservationView]:
    """Up to `limit + 1` reservations behind `position`, an (id,), newest first; two statements."""
    return views_of(keyset_page(_filtered(wanted, now), ["id"], position, limit=limit, is_descending=True), now)


def _filtered(wanted: ReservationFilter, now: dt.datetime) -> QuerySet[Reservation]:
    rows = annotated_reservations()
    if wanted.reader_id is not None:
        rows = rows.filter(reader_id=wanted.reader_id)
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    if wanted.book_id is not None:
        rows = rows.filter(book_id=wanted.book_id)
    if wanted.branch is not None:
        rows = rows.filter(Q(pickup_branch__code=wanted.branch) | Q(pickup_branch__name=wanted.branch))
    if wanted.is_overdue is not None:
        overdue = Q(state=State.BORROWED, due_at__lt=now)
        rows = rows.filter(overdue if wanted.is_overdue else ~overdue | Q(due_at__isnull=True))
    return rows


def annotated_reservations() -> QuerySet[Reservation]:
    """Reservations with all that `views_of` needs."""
    upto_mine = (
        Reservation.objects.filter(book_id=OuterRef("book_id"), state=State.WAITING, queue_no__lte=OuterRef("queue_no"))
        .order_by()
        .values("book_id")
        .annotate(number=Count("pk"))
        .values("number")
    )
    loan_days = Policy.objects.filter(category=OuterRef("reader__category"), branch__isnull=True).values("loan_days")
    place = Case(When(state=State.WAITING, then=Subquery(upto_mine)), output_field=IntegerField())
    return Reservation.objects.select_related("pickup_branch", "copy", "book__holding").annotate(
        place=place, loan_days=Subquery(loan_days[:1])
    )


def views_of(rows: Sequence[Reservation], now: dt.datetime) -> list[ReservationView]:
    """The shapes of annotated reservations; one statement more when some of them wait."""
    due_dates = _due_dates({row.book_id for row in rows if row.state == State.WAITING})
    return [_view(row, due_dates[row.book_id], now) for row in rows]


def _due_dates(book_ids: Iterable[int]) -> dict[int, list[dt.datetime]]:
    found: dict[int, list[dt.datetime]] = defaultdict(list)
    wanted = list(book_ids)
    if wanted:
        loans = Reservation.objects.filter(book_id__in=wanted, state=State.BORROWED)
        for book_id, due_at in loans.values_list("book_id", "due_at"):
            found[book_id] += [due_at] if due_at else []
    return found


def _view(row: Reservation, due_dates: list[dt.datetime], now: dt.datetime) -> ReservationView:
    place: int | None = row.place  # type: ignore[attr-defined]  # annotated
    loan_days: int = row.loan_days or DEFAULT_TERMS.loan_days  # type: ignore[attr-defined]  # annotated
    estimate = None
    if place is not None:
        copies = row.book.holding.copies_total
        estimate = estimate_ready_on(
            position=place, loans_due_at=due_dates, copies=copies, loan_days=loan_days, now=now
        )
    return ReservationView(
        id=row.pk,
        book_id=row.book_id,
        reader_id=row.reader_id,
        state=State(row.state),
        library=row.pickup_branch.name,
        created_at=row.created_at,
        position=place,
        estimated_ready_on=estimate,
        copy=row.copy.barcode if row.copy else None,
        ready_at=row.ready_at,
        pickup_deadline_at=row.pickup_deadline_at,
        borrowed_at=row.borrowed_at,
        due_at=row.due_at,
        reserved_until=row.reserved_until,
        renewals=row.renewals,
        partner=row.partner or None,
        reason=row.reason or None,
        version=row.version,
    )

"""Reservations as their readers and the desk see them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, IntegerField, OuterRef, Q, QuerySet, Subquery, When

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.pages import Position
from bookwell.library.circulation.errors import ReservationNotFound
from bookwell.library.circulation.models import Policy, Reservation
from bookwell.library.circulation.queries.availability import due_dates_of_copies
from bookwell.library.circulation.rules import DEFAULT_TERMS, Actor, State, estimate_ready_on
from bookwell.library.circulation.views import ReservationView
from bookwell.library.network.models import Branch

__all__ = [
    "ReservationFilter",
    "annotated_reservations",
    "branches_named",
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
    """Up to `limit + 1` reservations behind `position`, an (id,), newest first; two statements, by branch three."""
    rows = _filtered(annotated_reservations(), wanted, now)
    if wanted.branch is not None:
        # Here MariaDB sorts a branch's rows; what it sorts must not carry the subqueries.
        bare = _filtered(Reservation.objects.only("pk"), wanted, now).filter(
            pickup_branch__in=branches_named(wanted.branch)
        )
        chosen = keyset_page(bare, ["id"], position, limit=limit, is_descending=True)
        # By nothing but their keys: one that has just moved on would make the page look like the last.
        rows = annotated_reservations().filter(pk__in=[row.pk for row in chosen])
        position = Position(None, position.is_backward)
    return views_of(keyset_page(rows, ["id"], position, limit=limit, is_descending=True), now)


def branches_named(name_or_code: str) -> QuerySet[Branch]:
    """The branches that a filter means, as a subquery."""
    return Branch.objects.filter(Q(code=name_or_code) | Q(name=name_or_code))


def _filtered(rows: QuerySet[Reservation], wanted: ReservationFilter, now: dt.datetime) -> QuerySet[Reservation]:
    """By all but the branch."""
    if wanted.reader_id is not None:
        rows = rows.filter(reader_id=wanted.reader_id)
    if wanted.state is not None:
        rows = rows.filter(state=wanted.state)
    if wanted.book_id is not None:
        rows = rows.filter(book_id=wanted.book_id)
    if wanted.is_overdue is not None:
        overdue = Q(state=State.BORROWED, due_at__lt=now)
        rows = rows.filter(overdue if wanted.is_overdue else ~overdue | Q(due_at__isnull=True))
    return rows


def annotated_reservations() -> QuerySet[Reservation]:
    """Reservations with all that `views_of` needs.

    Scalar subqueries, not joins: a page then walks the primary key, where MariaDB would begin with the branches and
    sort every reservation there is.
    """
    upto_mine = (
        Reservation.objects.filter(book_id=OuterRef("book_id"), state=State.WAITING, queue_no__lte=OuterRef("queue_no"))
        .order_by()
        .values("book_id")
        .annotate(number=Count("pk"))
        .values("number")
    )
    loan_days = Policy.objects.filter(category__user=OuterRef("reader"), branch__isnull=True).values("loan_days")
    place = Case(When(state=State.WAITING, then=Subquery(upto_mine)), output_field=IntegerField())
    pickup = Branch.objects.filter(pk=OuterRef("pickup_branch"))
    return Reservation.objects.select_related("copy").annotate(
        place=place,
        loan_days=Subquery(loan_days[:1]),
        branch_name=Subquery(pickup.values("name")),
        time_zone=Case(When(state=State.WAITING, then=Subquery(pickup.values("time_zone")))),
    )


def views_of(rows: Sequence[Reservation], now: dt.datetime) -> list[ReservationView]:
    """The shapes of annotated reservations; one statement more when some of them wait."""
    due_dates = _due_dates({row.book_id for row in rows if row.state == State.WAITING}, now)
    return [_view(row, due_dates.get(row.book_id, ()), now) for row in rows]


def _due_dates(book_ids: set[int], now: dt.datetime) -> Mapping[int, Sequence[dt.datetime | None]]:
    return due_dates_of_copies(book_ids, free_at=now) if book_ids else {}


def _estimate(
    row: Reservation, place: int, due_dates: Sequence[dt.datetime | None], now: dt.datetime
) -> dt.date | None:
    """When a waiting reader's turn is expected: by the copies, but not before a suspension ends."""
    loan_days: int = row.loan_days or DEFAULT_TERMS.loan_days  # type: ignore[attr-defined]  # annotated
    time_zone: str = row.time_zone  # type: ignore[attr-defined]  # annotated
    expected_on = estimate_ready_on(
        position=place,
        loans_due_at=[due for due in due_dates if due],
        copies=len(due_dates),
        loan_days=loan_days,
        time_zone=time_zone,
        now=now,
    )
    if expected_on is None or row.suspended_until is None:
        return expected_on
    return max(expected_on, row.suspended_until.astimezone(ZoneInfo(time_zone)).date())


def _view(row: Reservation, due_dates: Sequence[dt.datetime | None], now: dt.datetime) -> ReservationView:
    place: int | None = row.place  # type: ignore[attr-defined]  # annotated
    estimate = None if place is None else _estimate(row, place, due_dates, now)
    return ReservationView(
        id=row.pk,
        book_id=row.book_id,
        reader_id=row.reader_id,
        state=State(row.state),
        library=row.partner or row.branch_name,  # type: ignore[attr-defined]  # annotated
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

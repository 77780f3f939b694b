"""What the desk asks: copies by barcode, readers by card, the lists of a branch."""

import datetime as dt

from django.db.models import QuerySet

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.pages import Position
from bookwell.library.accounts.models import User
from bookwell.library.circulation.errors import BookWithdrawn, CopyNotFound, ReaderNotFound
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.queries.reservations import annotated_reservations, branches_named, views_of
from bookwell.library.circulation.rules import State
from bookwell.library.circulation.views import DeskItem, ReservationView

__all__ = [
    "find_claim",
    "find_holder",
    "get_copy",
    "get_reader_id_of_card",
    "has_copy",
    "list_copies",
    "list_hold_shelf",
    "list_in_hand",
    "list_overdue",
    "list_pull_list",
]


def get_copy(barcode: str) -> Copy:
    """The copy with a barcode.

    Raises:
        CopyNotFound
    """
    copy = Copy.objects.select_related("branch", "location", "book").filter(barcode=barcode).first()
    if copy is None:
        raise CopyNotFound
    return copy


def has_copy(barcode: str) -> bool:
    """Whether any book has a copy with this barcode."""
    return Copy.objects.filter(barcode=barcode).exists()


def find_holder(copy_id: int) -> Reservation | None:
    """The open reservation whose copy this is."""
    return _with_everything().filter(held_copy_id=copy_id).first()


def find_claim(*, reader_id: int, book_id: int) -> Reservation | None:
    """The reader's open reservation or loan of a book."""
    return _with_everything().filter(reader_id=reader_id, book_id=book_id, open_marker=1).first()


def _with_everything() -> QuerySet[Reservation]:
    return Reservation.objects.select_related("reader", "book", "pickup_branch", "copy")


def get_reader_id_of_card(card: str) -> int:
    """Whose card it is.

    Raises:
        ReaderNotFound: if nobody's, or a closed account's.
    """
    reader_id = User.objects.filter(card_number=card, is_active=True).values_list("pk", flat=True).first()
    if reader_id is None:
        raise ReaderNotFound
    return reader_id


def list_copies(book_id: int) -> list[Copy]:
    """All copies of a book, by barcode.

    Raises:
        BookWithdrawn: if there is no such book.
    """
    if not Holding.objects.filter(pk=book_id, book__withdrawn_at__isnull=True).exists():
        raise BookWithdrawn
    return list(Copy.objects.filter(book_id=book_id).select_related("branch", "location").order_by("barcode"))


def list_pull_list(branch: str | None, *, now: dt.datetime, position: Position, limit: int) -> list[DeskItem]:
    """Up to `limit + 1` copies behind `position` that stand on a branch's open shelves and are set aside."""
    rows = Reservation.objects.filter(state=State.ASSIGNED, is_on_pull_list=True)
    if branch is not None:
        rows = rows.filter(copy__location__in=branches_named(branch))
    return _items(rows, now, position, limit)


def list_in_hand(branch: str | None, *, now: dt.datetime, position: Position, limit: int) -> list[DeskItem]:
    """Up to `limit + 1` copies behind `position` that were caught at a branch: to be shelved there, or shipped."""
    rows = Reservation.objects.filter(state=State.ASSIGNED, is_on_pull_list=False, copy__is_travelling=False)
    if branch is not None:
        rows = rows.filter(copy__location__in=branches_named(branch))
    return _items(rows, now, position, limit)


def list_hold_shelf(branch: str | None, *, now: dt.datetime, position: Position, limit: int) -> list[DeskItem]:
    """Up to `limit + 1` copies behind `position` that wait for their readers at a branch."""
    return _items(_at_branch(Reservation.objects.filter(state=State.READY, partner=""), branch), now, position, limit)


def list_overdue(branch: str | None, *, now: dt.datetime, position: Position, limit: int) -> list[DeskItem]:
    """Up to `limit + 1` loans of a branch behind `position` that are past their due date."""
    rows = Reservation.objects.filter(state=State.BORROWED, due_at__lt=now, partner="")
    return _items(_at_branch(rows, branch), now, position, limit)


def _at_branch(rows: QuerySet[Reservation], branch: str | None) -> QuerySet[Reservation]:
    if branch is None:
        return rows
    return rows.filter(pickup_branch__in=branches_named(branch))


def _items(rows: QuerySet[Reservation], now: dt.datetime, position: Position, limit: int) -> list[DeskItem]:
    chosen = [row.pk for row in keyset_page(rows.only("pk"), ["id"], position, limit=limit)]
    found = annotated_reservations().select_related("reader", "book", "copy__location").in_bulk(chosen)
    page = [found[pk] for pk in chosen if pk in found]
    return [_item(row, view) for row, view in zip(page, views_of(page, now), strict=True)]


def _item(row: Reservation, view: ReservationView) -> DeskItem:
    location = row.copy.location.name if row.copy else ""
    return DeskItem(
        **{name: getattr(view, name) for name in ReservationView.__dataclass_fields__},
        title=row.book.title,
        location=location,
        reader=row.reader.username,
        card=row.reader.card_number,
    )

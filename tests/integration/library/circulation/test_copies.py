"""Copies and titles at the desk: what is refused changes nothing, and what is free moves with its counters."""

from typing import Any

import pytest

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import (
    BarcodeTaken,
    BookHasCopies,
    BookHasOpenReservations,
    CopyHeld,
    CopyNotFound,
    CopyUnavailable,
)
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import CopyStatus, State
from bookwell.library.circulation.services.books import remove_book
from tests.factories import LIBRARIAN, BookFactory, BranchFactory, ReaderFactory, ReservationFactory, barcode_of
from tests.invariants import assert_invariants

pytestmark = pytest.mark.django_db


def _at_desk(verb: Any, **options: Any) -> Any:
    return run_in_transaction(lambda: verb(actor=LIBRARIAN, now=clock.now(), **options))


def _remove(book: Book) -> None:
    run_in_transaction(lambda: remove_book(book_id=book.pk, actor_id=LIBRARIAN.user_id, now=clock.now()))


def _kept(book: Book) -> list[Any]:
    """All that the desk could change of a book."""
    queries = [Holding.objects.filter(book=book), Copy.objects.filter(book=book), Reservation.objects.filter(book=book)]
    return [list(query.order_by("pk").values()) for query in queries]


def _refused(refusal: type[DomainError], book: Book, verb: Any, **options: Any) -> None:
    before = _kept(book)
    with pytest.raises(refusal):
        _at_desk(verb, **options)
    assert _kept(book) == before


def _out_of_service(status: CopyStatus) -> Copy:
    copy = BookFactory.add_copy(BookFactory.create(copies=0))
    _at_desk(services.change_copy, barcode=copy.barcode, changes={"status": status})
    return copy


def test_add_copy__barcode_of_another_copy__is_refused_by_the_database_too() -> None:
    book, other = BookFactory.create(copies=0), BookFactory.add_copy(BookFactory.create(copies=0))
    main = BranchFactory.main()

    _refused(BarcodeTaken, book, services.add_copy, book_id=book.pk, barcode=other.barcode, branch=main.code)
    twin = Copy(barcode=other.barcode, book=book, branch=main, location=main)
    with pytest.raises(BarcodeTaken):
        run_in_transaction(lambda: twin.save(force_insert=True))


@pytest.mark.parametrize("status", [CopyStatus.IN_REPAIR, CopyStatus.LOST])
def test_check_out__copy_that_cannot_serve__is_refused(status: CopyStatus) -> None:
    copy, reader = _out_of_service(status), ReaderFactory.create()

    _refused(CopyUnavailable, copy.book, services.check_out, barcode=copy.barcode, card=reader.card_number)


def test_check_in__copy_in_repair__is_refused() -> None:
    copy, elsewhere = _out_of_service(CopyStatus.IN_REPAIR), BranchFactory.create()

    _refused(CopyUnavailable, copy.book, services.check_in, barcode=copy.barcode, branch=elsewhere.code)


def test_change_copy__lent_one_to_repair__is_refused() -> None:
    loan = ReservationFactory.borrowed()

    changes = {"status": CopyStatus.IN_REPAIR}
    _refused(CopyHeld, loan.book, services.change_copy, barcode=barcode_of(loan), changes=changes)


def test_change_copy__held_one_to_another_branch__is_refused() -> None:
    ready, elsewhere = ReservationFactory.ready(), BranchFactory.create()

    changes = {"branch": elsewhere.code}
    _refused(CopyHeld, ready.book, services.change_copy, barcode=barcode_of(ready), changes=changes)


def test_change_copy__free_one_to_another_branch__belongs_and_stands_there() -> None:
    copy, elsewhere = BookFactory.add_copy(BookFactory.create(copies=0)), BranchFactory.create()

    _at_desk(services.change_copy, barcode=copy.barcode, changes={"branch": elsewhere.name})

    copy.refresh_from_db()
    assert (copy.branch, copy.location, copy.is_travelling) == (elsewhere, elsewhere, False)
    assert_invariants([copy.book_id], now=clock.now())


@pytest.mark.parametrize("status", CopyStatus)
def test_remove_copy__nobody_has_it__leaves_true_counters(status: CopyStatus) -> None:
    copy = _out_of_service(status)

    _at_desk(services.remove_copy, barcode=copy.barcode)

    assert_invariants([copy.book_id], now=clock.now())
    assert Holding.objects.get(pk=copy.book_id).copies_total == 0
    with pytest.raises(CopyNotFound):
        _at_desk(services.remove_copy, barcode=copy.barcode)


def test_remove_book__somebody_waits_for_it__is_refused() -> None:
    waiting = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0))

    with pytest.raises(BookHasOpenReservations):
        _remove(waiting.book)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.book.withdrawn_at) == (State.WAITING, None)


def test_remove_book__its_only_copy_is_lost__is_refused_until_that_is_removed() -> None:
    copy = _out_of_service(CopyStatus.LOST)
    with pytest.raises(BookHasCopies):
        _remove(copy.book)

    _at_desk(services.remove_copy, barcode=copy.barcode)
    _remove(copy.book)

    copy.book.refresh_from_db()
    assert copy.book.withdrawn_at is not None

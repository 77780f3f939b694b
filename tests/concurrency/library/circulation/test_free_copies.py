"""No free copy stays on the shelf while an eligible reader waits: every way a copy or a reader becomes free, raced."""

import datetime as dt
from collections.abc import Callable

import pytest

from bookwell.kit import clock
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import CopyStatus, State
from tests.concurrency.racing import race, refusals
from tests.concurrency.works import Work, at_desk, placing, readers, step
from tests.factories import BookFactory, BranchFactory, ReaderFactory, ReservationFactory
from tests.invariants import assert_invariants
from tests.jobs import do_what_is_due

pytestmark = pytest.mark.usefixtures("committed")

ROUNDS = 4
DAY = dt.timedelta(days=1)


def _lent(now: dt.datetime) -> tuple[Book, Reservation]:
    book = BookFactory.create(copies=1)
    return book, ReservationFactory.borrowed(book=book, now=now)


def _cancelled(now: dt.datetime) -> tuple[Book, Work]:
    book = BookFactory.create(copies=1)
    return book, step(services.cancel_reservation, ReservationFactory.ready(book=book, now=now), now=now)


def _returned(now: dt.datetime) -> tuple[Book, Work]:
    book, loan = _lent(now)
    return book, step(services.return_book, loan, now=now)


def _checked_in(now: dt.datetime) -> tuple[Book, Work]:
    book, _ = _lent(now)
    barcode = Copy.objects.get(book=book).barcode
    return book, at_desk(services.check_in, barcode=barcode, branch=BranchFactory.create().code, now=now)


def _expired(now: dt.datetime) -> tuple[Book, Work]:
    book = BookFactory.create(copies=1)
    ReservationFactory.ready(book=book, now=now - 60 * DAY)
    return book, lambda: do_what_is_due(now=now)


def _added(now: dt.datetime) -> tuple[Book, Work]:
    book, _ = _lent(now)
    return book, lambda: BookFactory.add_copy(book)


def _repaired(_now: dt.datetime) -> tuple[Book, Work]:
    book = BookFactory.create(copies=1)
    barcode = Copy.objects.get(book=book).barcode
    at_desk(services.change_copy, barcode=barcode, changes={"status": CopyStatus.IN_REPAIR})()
    return book, at_desk(services.change_copy, barcode=barcode, changes={"status": CopyStatus.IN_SERVICE})


def _block_lifted(now: dt.datetime) -> tuple[Book, Work]:
    book, loan = _lent(now)
    waiting = ReservationFactory.place(ReaderFactory.create(), book, now=now)
    block_id = at_desk(services.add_block, reader_id=waiting.reader_id, reason="card lost")()
    step(services.return_book, loan, now=now)()
    return book, at_desk(services.lift_block, block_id=block_id, now=now)


def _suspended(now: dt.datetime, *, until: dt.datetime) -> tuple[Book, Reservation]:
    """A book on the shelf, passed over by the one who waits for it."""
    book, loan = _lent(now)
    waiting = ReservationFactory.place(ReaderFactory.create(), book, now=now)
    step(services.change_reservation, waiting, now=now, changes={"suspended_until": until})()
    step(services.return_book, loan, now=now)()
    return book, waiting


def _resumed(now: dt.datetime) -> tuple[Book, Work]:
    book, waiting = _suspended(now, until=now + DAY)
    return book, step(services.change_reservation, waiting, now=now, changes={"suspended_until": None})


def _suspension_over(now: dt.datetime) -> tuple[Book, Work]:
    book, _ = _suspended(now - 2 * DAY, until=now - DAY)
    return book, lambda: do_what_is_due(now=now)


def _wanted_again(now: dt.datetime) -> tuple[Book, Work]:
    book, loan = _lent(now - 3 * DAY)
    reader = ReaderFactory.create()
    waiting = ReservationFactory.place(reader, book, now=now - 3 * DAY, reserved_until=now - DAY)
    step(services.return_book, loan, now=now)()
    return book, step(services.change_reservation, waiting, now=now, changes={"reserved_until": now + DAY})


Freeing = Callable[[dt.datetime], tuple[Book, Work]]
all_freeings = pytest.mark.parametrize(
    "freeing",
    [
        _cancelled,
        _returned,
        _checked_in,
        _expired,
        _added,
        _repaired,
        _block_lifted,
        _resumed,
        _suspension_over,
        _wanted_again,
    ],
    ids=lambda freeing: freeing.__name__.strip("_"),
)


@all_freeings
def test_a_copy_becomes_free__while_readers_place__does_not_lie_idle(freeing: Freeing) -> None:
    now = clock.now()
    for _ in range(ROUNDS):
        book, free_it = freeing(now)

        outcomes = race([free_it, *(placing(reader, book, now=now) for reader in readers(3))])

        assert not refusals(outcomes)
        assert Holding.objects.get(pk=book.pk).copies_available == 0
        assert_invariants([book.pk], now=now)


@all_freeings
def test_a_copy_becomes_free__nobody_else_comes__goes_to_who_waits(freeing: Freeing) -> None:
    now = clock.now()
    book, free_it = freeing(now)
    if not Reservation.objects.filter(book=book, state=State.WAITING).exists():
        ReservationFactory.place(ReaderFactory.create(), book, now=now)

    free_it()

    assert not Reservation.objects.filter(book=book, state=State.WAITING).exists()
    assert_invariants([book.pk], now=now)


def test_copies_become_free__all_ways_at_once__none_lies_idle() -> None:
    now = clock.now()
    book = BookFactory.create(copies=3)
    ready = [ReservationFactory.ready(book=book, reader=reader, now=now) for reader in readers(2)]
    loan = ReservationFactory.borrowed(book=book, now=now)
    waiting = [ReservationFactory.place(reader, book, now=now) for reader in readers(9)]
    block_id = at_desk(services.add_block, reader_id=waiting[0].reader_id, reason="card lost")()
    until = now + DAY
    step(services.change_reservation, waiting[1], now=now, changes={"suspended_until": until})()

    race(
        [
            *(step(services.cancel_reservation, reservation, now=now) for reservation in [*ready, waiting[2]]),
            step(services.return_book, loan, now=now),
            lambda: BookFactory.add_copy(book),
            lambda: BookFactory.add_copy(book),
            at_desk(services.lift_block, block_id=block_id, now=now),
            step(services.change_reservation, waiting[1], now=now, changes={"suspended_until": None}),
            *(placing(reader, book, now=now) for reader in readers(2)),
        ]
    )

    assert Holding.objects.get(pk=book.pk).copies_available == 0
    assert_invariants([book.pk], now=now)

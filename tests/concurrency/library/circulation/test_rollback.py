"""A change, its audit entry and its message stand or fall together, also while others succeed around it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bookwell.kit import clock
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import State
from bookwell.library.plumbing.models import OutboxRow
from tests.concurrency.racing import race
from tests.concurrency.works import Work, at_desk, check_out, placing, readers, states, step
from tests.factories import BookFactory, ReaderFactory, ReservationFactory
from tests.invariants import assert_invariants, assert_nothing_told_of_nothing

pytestmark = pytest.mark.usefixtures("committed")

LAST_WRITES = (
    "bookwell.library.circulation.services.placing.execute_later",
    "bookwell.library.circulation.journal.append_in_tx",
)


class _PowerCut(Exception):
    """Stands for anything that goes wrong behind the last write."""


@pytest.fixture
def doomed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Work], Work]:
    """Makes a work whose transaction fails behind its last write, in its own thread alone."""
    fate = threading.local()

    def then_fail(original: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any) -> Any:
            answer = original(*args)
            if getattr(fate, "is_sealed", False):
                raise _PowerCut
            return answer

        return write

    for target in LAST_WRITES:
        module_name, _, name = target.rpartition(".")
        original = getattr(__import__(module_name, fromlist=[name]), name)
        monkeypatch.setattr(target, then_fail(original))

    def doom(work: Work) -> Work:
        def run() -> None:
            fate.is_sealed = True
            try:
                with pytest.raises(_PowerCut):
                    work()
            finally:
                fate.is_sealed = False

        return run

    return doom


def _everything() -> list[Any]:
    """What circulation writes: its rows as they are, and how many entries and messages there are."""
    rows = [list(table.objects.order_by("pk").values()) for table in (Reservation, Holding, Copy)]
    return [*rows, AuditEntry.objects.count(), OutboxRow.objects.count()]


def _lent() -> tuple[Book, Reservation]:
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    ReservationFactory.place(ReaderFactory.create(), book)
    return book, loan


def _barcode(book: Book) -> str:
    return str(Copy.objects.get(book=book).barcode)


def _to_place() -> Work:
    return placing(ReaderFactory.create(), BookFactory.create(copies=1))


def _to_wait() -> Work:
    return placing(ReaderFactory.create(), BookFactory.create(copies=0))


def _to_cancel() -> Work:
    return step(services.cancel_reservation, ReservationFactory.ready())


def _to_shelve() -> Work:
    return step(services.shelve, ReservationFactory.place(ReaderFactory.create(), BookFactory.create()))


def _to_issue() -> Work:
    return step(services.issue, ReservationFactory.ready())


def _to_check_out() -> Work:
    return check_out(Copy.objects.get(book=BookFactory.create()), ReaderFactory.create())


def _to_return() -> Work:
    return step(services.return_book, _lent()[1])


def _to_check_in() -> Work:
    return at_desk(services.check_in, barcode=_barcode(_lent()[0]), branch="main")


def _to_add_a_copy() -> Work:
    book, _ = _lent()
    return lambda: BookFactory.add_copy(book)


def _to_lose_a_copy() -> Work:
    return at_desk(services.change_copy, barcode=_barcode(_lent()[0]), changes={"status": "lost"})


def _to_renew() -> Work:
    return step(services.renew, ReservationFactory.borrowed())


def _to_remind() -> Work:
    loan = ReservationFactory.borrowed()
    assert loan.next_reminder_at is not None
    return step(services.remind_reservation, loan, now=loan.next_reminder_at)


@pytest.mark.parametrize(
    "prepare",
    [
        _to_place,
        _to_wait,
        _to_cancel,
        _to_shelve,
        _to_issue,
        _to_check_out,
        _to_return,
        _to_check_in,
        _to_add_a_copy,
        _to_lose_a_copy,
        _to_renew,
        _to_remind,
    ],
    ids=lambda prepare: prepare.__name__.strip("_"),
)
def test_a_use_case_fails_behind_its_last_write__nothing_of_it_is_there(
    prepare: Callable[[], Work], doomed: Callable[[Work], Work]
) -> None:
    work = prepare()
    before = _everything()

    doomed(work)()

    assert _everything() == before
    work()
    assert _everything() != before


def test_some_fail_while_others_reserve_and_return__only_the_others_are_told(doomed: Callable[[Work], Work]) -> None:
    now = clock.now()
    book = BookFactory.create(copies=4)
    loans = [ReservationFactory.borrowed(book=book, reader=reader, now=now) for reader in readers(4)]
    works = [placing(reader, book, now=now) for reader in readers(12)]
    returns = [step(services.return_book, loan, now=now) for loan in loans]

    race([*works[:6], *map(doomed, works[6:]), *returns[:2], *map(doomed, returns[2:])])

    assert states(book) == {State.BORROWED: 2, State.RETURNED: 2, State.ASSIGNED: 2, State.WAITING: 4}
    assert_invariants([book.pk], now=now)
    assert_nothing_told_of_nothing()

"""A rival let loose at an exact line of a use case: before its lock, so that it acts on old news, or behind it.

On SQLite one transaction writes at a time, so there a rival always comes afterwards; the outcome is the same.
"""

import datetime as dt

import pytest
from django.db import OperationalError, connection

from bookwell.kit import clock
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import CopyHeld, ReservationExists, ReservationLimitReached, WrongState
from bookwell.library.circulation.models import Copy, Holding, Policy, Reservation
from bookwell.library.circulation.rules import CopyStatus, State
from bookwell.library.circulation.tasks import expire_due
from tests.concurrency.fairness import promotions_of
from tests.concurrency.racing import Rival, meet_rival
from tests.concurrency.works import at_desk, check_out, placing, readers, states, step
from tests.e2e.embedded import wait_until
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.invariants import assert_invariants

pytestmark = pytest.mark.usefixtures("committed")

SERVICES = "bookwell.library.circulation.services"
LOCK_BOOK = "bookwell.library.circulation.locks.lock_book"


@pytest.mark.parametrize("line", ["placing.lock_reader_and_book", "placing.facts_of", "placing._choose_copy"])
@pytest.mark.parametrize("behind", [False, True])
def test_place__a_rival_takes_the_last_copy__one_of_them_waits(
    line: str, behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = BookFactory.create(copies=1)
    first, second = readers(2)
    rival = meet_rival(monkeypatch, f"{SERVICES}.{line}", placing(second, book), behind=behind)

    placing(first, book)()

    assert rival.finish().value.reader_id == second.pk
    assert states(book) == {State.ASSIGNED: 1, State.WAITING: 1}
    assert_invariants([book.pk], now=clock.now())


@pytest.mark.parametrize("line", ["placing.lock_reader_and_book", "placing.facts_of"])
@pytest.mark.parametrize("behind", [False, True])
def test_place__the_same_reader_reserves_another_book__the_limit_holds(
    line: str, behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=1))
    book, other = BookFactory.create(), BookFactory.create()
    rival = meet_rival(monkeypatch, f"{SERVICES}.{line}", placing(reader, other), behind=behind)
    refused = 0

    try:
        placing(reader, book)()
    except ReservationLimitReached:
        refused += 1

    refused += isinstance(rival.finish().refusal, ReservationLimitReached)
    assert refused == 1
    assert Reservation.objects.filter(reader=reader).count() == 1
    assert_invariants([book.pk, other.pk], now=clock.now())


@pytest.mark.parametrize("line", ["placing.lock_reader_and_book", "placing.facts_of"])
def test_place__the_same_reader_twice__one_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    book, reader = BookFactory.create(copies=2), ReaderFactory.create()
    rival = meet_rival(monkeypatch, f"{SERVICES}.{line}", placing(reader, book), behind=True)

    placing(reader, book)()

    assert isinstance(rival.finish().refusal, ReservationExists)
    assert states(book) == {State.ASSIGNED: 1}
    assert_invariants([book.pk], now=clock.now())


@pytest.mark.only_on("mysql", "postgresql")  # SQLite locks no rows
@pytest.mark.parametrize("locked", ["reader", "book"])
def test_place__somebody_has_one_of_its_rows__locks_the_reader_and_then_the_book(locked: str) -> None:
    book, reader = BookFactory.create(), ReaderFactory.create()
    rows = {"reader": f"account WHERE id = {reader.pk}", "book": f"holding WHERE book_id = {book.pk}"}
    other_row = rows["book" if locked == "reader" else "reader"]
    somebody = connection.copy()
    somebody.set_autocommit(False)
    with somebody.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {rows[locked]} FOR UPDATE")
        rival = Rival(placing(reader, book))
        rival.go()
        if locked == "book":
            wait_until(lambda: not _is_free(other_row))
        is_free = _is_free(other_row)
    somebody.rollback()
    somebody.close()

    assert rival.finish().refusal is None
    assert is_free is (locked == "reader")


def _is_free(row: str) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 FROM {row} FOR UPDATE NOWAIT")
    except OperationalError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "behind"), [("lock_reader", False), ("lock_reader", True), ("get_reader_facts", True)]
)
def test_pickup_branch__the_reader_reserves_there_meanwhile__the_limit_of_that_branch_holds(
    line: str, behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, policy = BranchFactory.create(), PolicyFactory.create()
    Policy.objects.create(category=policy.category, branch=there, max_open_reservations=1)
    reader, other = ReaderFactory.create(policy=policy), BookFactory.create()
    mine = ReservationFactory.place(reader, BookFactory.create(copies=0))
    rival = meet_rival(
        monkeypatch, f"{SERVICES}.ending.{line}", placing(reader, other, library=there.code), behind=behind
    )
    refused = 0

    try:
        step(services.change_reservation, mine, changes={"pickup_branch": there.code})()
    except ReservationLimitReached:
        refused += 1

    refused += isinstance(rival.finish().refusal, ReservationLimitReached)
    assert refused == 1
    assert Reservation.objects.filter(reader=reader, pickup_branch=there).count() == 1


def test_cancel__a_rival_cancels_before_the_lock__only_one_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    book = BookFactory.create(copies=1)
    ready = ReservationFactory.ready(book=book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)
    rival = meet_rival(monkeypatch, LOCK_BOOK, step(services.cancel_reservation, ready))
    refused = 0

    try:
        step(services.cancel_reservation, ready)()
    except WrongState:
        refused += 1

    refused += isinstance(rival.finish().refusal, WrongState)
    assert refused == 1
    assert promotions_of(book.pk) == [waiting.pk]
    assert_invariants([book.pk], now=clock.now())


def test_cancel__a_rival_returns_a_copy_behind_the_lock__each_copy_finds_its_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = BookFactory.create(copies=2)
    loan, ready = ReservationFactory.borrowed(book=book), ReservationFactory.ready(book=book)
    waiting = [ReservationFactory.place(reader, book) for reader in readers(2)]
    rival = meet_rival(monkeypatch, LOCK_BOOK, step(services.return_book, loan), behind=True)

    step(services.cancel_reservation, ready)()

    assert rival.finish().refusal is None
    assert promotions_of(book.pk) == [row.pk for row in waiting]
    assert_invariants([book.pk], now=clock.now())


@pytest.mark.parametrize("behind", [False, True])
def test_check_out__a_rival_reserves_the_copy__one_of_them_has_it(
    behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = BookFactory.create(copies=1)
    walk_in, reserving = readers(2)
    work = placing(reserving, book)
    is_first = connection.vendor != "sqlite" and not behind
    rival = meet_rival(monkeypatch, LOCK_BOOK, work, behind=behind, wins=is_first)
    held = None

    try:
        check_out(Copy.objects.get(book=book), walk_in)()
    except CopyHeld as error:
        held = error

    placed = rival.finish().value
    assert (held is not None) is is_first
    assert placed.state == (State.ASSIGNED if is_first else State.WAITING)
    assert_invariants([book.pk], now=clock.now())


@pytest.mark.parametrize("status", [CopyStatus.IN_REPAIR, CopyStatus.LOST])
def test_lift_block__a_held_copy_goes_meanwhile__the_reader_gets_the_free_one(
    status: CopyStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = BookFactory.create(copies=2)
    reserved = ReservationFactory.place(ReaderFactory.create(), book)
    assert reserved.copy is not None
    barcode = reserved.copy.barcode
    block_id = at_desk(services.add_block, reader_id=reserved.reader_id, reason="card lost")()
    take_away = at_desk(services.change_copy, barcode=barcode, changes={"status": status})
    rival = meet_rival(monkeypatch, f"{SERVICES}.readers.list_claimed_book_ids", take_away, behind=True)

    at_desk(services.lift_block, block_id=block_id)()

    assert rival.finish().refusal is None
    assert states(book) == {State.ASSIGNED: 1}
    assert_invariants([book.pk], now=clock.now())


def test_add_block__while_the_reader_places__comes_before_or_after(monkeypatch: pytest.MonkeyPatch) -> None:
    book, reader = BookFactory.create(), ReaderFactory.create()
    block = at_desk(services.add_block, reader_id=reader.pk, reason="card lost")
    rival = meet_rival(monkeypatch, f"{SERVICES}.placing.facts_of", block, behind=True)

    placing(reader, book)()

    assert rival.finish().value
    assert states(book) == {State.ASSIGNED: 1}


def test_expire__the_reader_fetches_the_book_before_the_lock__is_a_loan(monkeypatch: pytest.MonkeyPatch) -> None:
    book = BookFactory.create(copies=1)
    ready = ReservationFactory.ready(book=book)
    ready.refresh_from_db()
    assert ready.pickup_deadline_at is not None
    moment = ready.pickup_deadline_at
    is_first = connection.vendor != "sqlite"
    rival = meet_rival(monkeypatch, LOCK_BOOK, step(services.issue, ready, now=moment), wins=is_first)

    expire_due(now=moment)

    outcome = rival.finish()
    end = State.EXPIRED if outcome.refusal else State.BORROWED
    assert states(book) == {end: 1}
    assert end == State.BORROWED or not is_first
    assert_invariants([book.pk], now=moment)


def test_remove_copy__a_rival_reserves_it_before_the_lock__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    book, reader = BookFactory.create(copies=1), ReaderFactory.create()
    copy = Copy.objects.get(book=book)
    rival = meet_rival(monkeypatch, LOCK_BOOK, placing(reader, book))
    held = None

    try:
        at_desk(services.remove_copy, barcode=copy.barcode)()
    except CopyHeld as error:
        held = error

    placed = rival.finish().value
    assert placed.state == (State.ASSIGNED if held else State.WAITING)
    assert Holding.objects.get(pk=book.pk).copies_total == (1 if held else 0)
    assert_invariants([book.pk], now=clock.now())


def test_check_out__a_suspension_has_just_run_out__does_not_pass_the_reader_over() -> None:
    now = clock.now()
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book, now=now)
    waiting, walk_in = ReservationFactory.place(ReaderFactory.create(), book, now=now), ReaderFactory.create()
    until = now + dt.timedelta(days=1)
    step(services.change_reservation, waiting, now=now, changes={"suspended_until": until})()
    step(services.return_book, loan, now=now)()
    barcode = Copy.objects.get(book=book).barcode

    with pytest.raises(CopyHeld):
        at_desk(services.check_out, barcode=barcode, card=walk_in.card_number, now=until)()
    loan = at_desk(services.check_out, barcode=barcode, card=waiting.reader.card_number, now=until)()

    assert loan.pk == waiting.pk
    assert_invariants([book.pk], now=until)

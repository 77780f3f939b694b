"""Many at once: 200 readers for three copies, two workers of time, many books of one reader."""

import datetime as dt
from functools import partial

import pytest

from bookwell.kit import clock
from bookwell.kit.pages import Position
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import State
from bookwell.library.circulation.tasks import remind_due
from tests.concurrency.fairness import assert_served_in_order
from tests.concurrency.racing import race, refusals
from tests.concurrency.works import at_desk, placing, readers, states, step
from tests.factories import BookFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.invariants import assert_invariants
from tests.jobs import do_what_is_due
from tests.notices import notices_about

pytestmark = pytest.mark.usefixtures("committed")


def test_two_hundred_readers__reserve_three_copies__three_are_assigned_and_the_rest_is_in_line() -> None:
    """Over 40 connections, more than servers open; all 200 at once come over HTTP in another test."""
    book, crowd = BookFactory.create(copies=3), readers(200)

    def in_turn(number: int) -> None:
        for reader in crowd[number::40]:
            placing(reader, book)()

    outcomes = race([partial(in_turn, number) for number in range(40)])

    assert not refusals(outcomes)
    assert states(book) == {State.ASSIGNED: 3, State.WAITING: 197}
    wanted = queries.ReservationFilter(book_id=book.pk, state=State.WAITING)
    views = queries.list_views(wanted, position=Position(), limit=500, now=clock.now())
    assert sorted(view.position or 0 for view in views) == list(range(1, 198))
    assert_served_in_order(book.pk, now=clock.now())
    assert_invariants([book.pk], now=clock.now())


def test_three_schedulers_at_once__each_claim_expires_once_and_its_copy_goes_on() -> None:
    start = clock.now()
    books = [BookFactory.create(copies=2) for _ in range(6)]
    for book in books:
        for reader in readers(2):
            ReservationFactory.ready(book=book, reader=reader, now=start)
        for reader in readers(3):
            ReservationFactory.place(reader, book, now=start)
    later = start + dt.timedelta(days=30)

    race([lambda: do_what_is_due(now=later)] * 3)

    for book in books:
        assert states(book) == {State.EXPIRED: 2, State.ASSIGNED: 2, State.WAITING: 1}
    assert_invariants([book.pk for book in books], now=later)


def test_three_schedulers_at_once__each_reader_is_reminded_once() -> None:
    start = clock.now()
    ready = [ReservationFactory.ready(now=start) for _ in range(6)]
    loans = [ReservationFactory.borrowed(now=start) for _ in range(6)]
    moments = {"pickup_reminder": ready[0].next_reminder_at, "due_soon": loans[0].next_reminder_at}

    for moment in filter(None, moments.values()):
        race([partial(remind_due, now=moment)] * 3)

    for kind, rows in (("pickup_reminder", ready), ("due_soon", loans)):
        for row in rows:
            told = [name for name, _ in notices_about(f"reservation:{row.pk}")]
            assert told.count(kind) == 1, told
    assert_invariants([row.book_id for row in (*ready, *loans)], now=start)


def test_lift_block__of_a_reader_of_many_books__does_not_deadlock_with_returns() -> None:
    now = clock.now()
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=50))
    books = [BookFactory.create(copies=1) for _ in range(12)]
    loans = [ReservationFactory.borrowed(book=book, now=now) for book in books]
    for book in books:
        ReservationFactory.place(reader, book, now=now)
    block_id = at_desk(services.add_block, reader_id=reader.pk, reason="card lost")()
    for loan in loans[:6]:
        step(services.return_book, loan, now=now)()

    outcomes = race(
        [
            at_desk(services.lift_block, block_id=block_id, now=now),
            at_desk(services.lift_block, block_id=block_id, now=now),
            *(step(services.return_book, loan, now=now) for loan in reversed(loans[6:])),
        ]
    )

    assert not refusals(outcomes)
    assert Reservation.objects.filter(reader=reader, state=State.ASSIGNED).count() == 12
    assert_invariants([book.pk for book in books], now=now)


def test_close_account__while_its_books_come_back__every_copy_goes_on() -> None:
    now = clock.now()
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=50))
    books = [BookFactory.create(copies=1) for _ in range(8)]
    loans = [ReservationFactory.borrowed(book=book, now=now) for book in books]
    for book in books:
        ReservationFactory.place(reader, book, now=now)
        ReservationFactory.place(ReaderFactory.create(), book, now=now)

    outcomes = race(
        [
            at_desk(services.close_reader, reader_id=reader.pk, now=now),
            *(step(services.return_book, loan, now=now) for loan in loans),
        ]
    )

    assert not refusals(outcomes)
    for book in books:
        assert states(book) == {State.RETURNED: 1, State.CANCELLED: 1, State.ASSIGNED: 1}
    assert_invariants([book.pk for book in books], now=now)


def test_readers_move_on_many_books_at_once__nobody_deadlocks() -> None:
    now = clock.now()
    books = [BookFactory.create(copies=1) for _ in range(6)]
    crowd = readers(8, max_open_reservations=10)

    def in_turn(number: int) -> None:
        for offset in range(len(books)):
            book = books[(number * 5 + offset) % len(books)]
            placed = placing(crowd[number], book, now=now)()
            step(services.cancel_reservation, placed, now=now)()

    outcomes = race([partial(in_turn, number) for number in range(8)])

    assert not refusals(outcomes)
    for book in books:
        assert states(book) == {State.CANCELLED: 8}
    assert_invariants([book.pk for book in books], now=now)

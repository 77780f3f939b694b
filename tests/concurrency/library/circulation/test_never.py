"""One copy, one holder; one claim a reader; no reader over a limit; nobody passed over: raced over real connections."""

import pytest

from bookwell.kit import clock
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import (
    CopyHeld,
    LoanLimitReached,
    ReservationExists,
    ReservationLimitReached,
)
from bookwell.library.circulation.models import Copy, Holding, Reservation
from bookwell.library.circulation.rules import COPY_STATES, OPEN_STATES, State
from tests.concurrency.fairness import assert_served_in_order, promotions_of
from tests.concurrency.racing import race, refusals
from tests.concurrency.works import at_desk, check_out, placing, readers, states, step
from tests.factories import BookFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.invariants import assert_invariants

pytestmark = pytest.mark.usefixtures("committed")

often = pytest.mark.parametrize("turn", range(4))


@often
def test_one_copy__many_place_at_once__has_one_holder(turn: int) -> None:
    book = BookFactory.create(copies=1)

    outcomes = race([placing(reader, book) for reader in readers(12)])

    assert not refusals(outcomes)
    assert states(book) == {State.ASSIGNED: 1, State.WAITING: 11}
    assert_invariants([book.pk], now=clock.now())


@often
def test_one_copy__two_desks_lend_it_at_once__has_one_holder(turn: int) -> None:
    book = BookFactory.create(copies=1)
    copy = Copy.objects.get(book=book)

    outcomes = race([check_out(copy, reader) for reader in readers(6)])

    assert refusals(outcomes) == [CopyHeld] * 5
    assert states(book) == {State.BORROWED: 1}
    assert_invariants([book.pk], now=clock.now())


@often
def test_one_copy__lent_reserved_and_lost_at_once__has_no_holder(turn: int) -> None:
    book = BookFactory.create(copies=1)
    copy = Copy.objects.get(book=book)
    first, *others = readers(6)
    lose = at_desk(services.change_copy, barcode=copy.barcode, changes={"status": "lost"})

    race([check_out(copy, first), lose, *(placing(reader, book) for reader in others)])

    assert not Reservation.objects.filter(book=book, state__in=COPY_STATES).exists()
    assert Holding.objects.get(pk=book.pk).copies_total == 0
    assert_invariants([book.pk], now=clock.now())


@pytest.mark.parametrize("copies", [0, 1, 8])
def test_one_reader__places_the_same_book_in_parallel__has_one_reservation(copies: int) -> None:
    book, reader = BookFactory.create(copies=copies), ReaderFactory.create()

    outcomes = race([placing(reader, book) for _ in range(8)])

    assert refusals(outcomes) == [ReservationExists] * 7
    assert states(book).total() == 1
    assert_invariants([book.pk], now=clock.now())


@often
def test_one_reader__places_and_borrows_the_same_book_at_once__has_one_of_them(turn: int) -> None:
    book, reader = BookFactory.create(copies=4), ReaderFactory.create()
    copies = list(Copy.objects.filter(book=book))

    race([*(check_out(copy, reader) for copy in copies), *(placing(reader, book) for _ in range(4))])

    assert Reservation.objects.filter(book=book, reader=reader, state__in=OPEN_STATES).count() == 1
    assert states(book)[State.BORROWED] == 1
    assert_invariants([book.pk], now=clock.now())


def test_limit_of_five__thirty_placed_in_parallel__five_are_there() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=5))
    books = [BookFactory.create(copies=number % 2) for number in range(30)]

    outcomes = race([placing(reader, book) for book in books])

    assert refusals(outcomes) == [ReservationLimitReached] * 25
    assert Reservation.objects.filter(reader=reader, open_marker=1).count() == 5
    assert_invariants([book.pk for book in books], now=clock.now())


def test_limit_of_loans__lent_at_many_desks_at_once__is_kept() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_loans=2))
    books = [BookFactory.create(copies=1) for _ in range(8)]
    ready = ReservationFactory.ready(reader=reader, book=books[0])
    lendings = [check_out(Copy.objects.get(book=book), reader) for book in books[1:]]

    outcomes = race([step(services.issue, ready), *lendings])

    assert refusals(outcomes) == [LoanLimitReached] * 6
    assert Reservation.objects.filter(reader=reader, state=State.BORROWED).count() == 2
    assert_invariants([book.pk for book in books], now=clock.now())


@often
def test_queue__as_many_returns_as_readers_wait__is_served_in_order(turn: int) -> None:
    now = clock.now()
    book = BookFactory.create(copies=8)
    loans = [ReservationFactory.borrowed(book=book, reader=reader, now=now) for reader in readers(8)]
    waiting = [ReservationFactory.place(reader, book, now=now).pk for reader in readers(8)]

    race([step(services.return_book, loan, now=now) for loan in loans])

    assert promotions_of(book.pk) == waiting
    assert states(book) == {State.RETURNED: 8, State.ASSIGNED: 8}
    assert_served_in_order(book.pk, now=now)
    assert_invariants([book.pk], now=now)


@often
def test_queue__returns_among_newcomers_and_leavers__passes_nobody_over(turn: int) -> None:
    now = clock.now()
    book = BookFactory.create(copies=4)
    loans = [ReservationFactory.borrowed(book=book, reader=reader, now=now) for reader in readers(4)]
    waiting = [ReservationFactory.place(reader, book, now=now) for reader in readers(6)]
    leavers = [step(services.cancel_reservation, waiting[place]) for place in (0, 2)]
    newcomers = [placing(reader, book, now=now) for reader in readers(4)]

    race([*(step(services.return_book, loan, now=now) for loan in loans), *leavers, *newcomers])

    served = set(Reservation.objects.filter(book=book, state=State.ASSIGNED).values_list("pk", flat=True))
    assert served == {waiting[place].pk for place in (1, 3, 4, 5)}
    assert_served_in_order(book.pk, now=now)
    assert_invariants([book.pk], now=now)

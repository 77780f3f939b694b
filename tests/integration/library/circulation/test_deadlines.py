"""Deadlines, due dates and policies on branches that close."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import (
    BorrowingBlocked,
    LibraryUnknown,
    ReservationLimitReached,
    ReservedUntilInPast,
    SuspendedUntilInPast,
    WrongState,
)
from bookwell.library.circulation.models import Policy, Reservation
from bookwell.library.circulation.queries import deadlines
from bookwell.library.circulation.rules import State
from bookwell.library.network.models import Branch, Closure
from tests.factories import (
    BookFactory,
    BranchFactory,
    PolicyFactory,
    ReaderFactory,
    ReservationFactory,
)

pytestmark = pytest.mark.django_db

WARSAW = ZoneInfo("Europe/Warsaw")
MONDAY = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


def _weekday_branch() -> Branch:
    return BranchFactory.create(time_zone="Europe/Warsaw", open_weekdays=[1, 2, 3, 4, 5])


def _local_date(instant: dt.datetime | None) -> dt.date:
    assert instant is not None
    return instant.astimezone(WARSAW).date()


def test_pickup_deadline__counts_opening_days_only() -> None:
    branch = _weekday_branch()
    Closure.objects.create(branch=branch, closed_on=dt.date(2026, 3, 4))
    reader = ReaderFactory.create(policy=PolicyFactory.create(pickup_days=5))
    reservation = ReservationFactory.place(reader, BookFactory.create(branch=branch), now=MONDAY)

    ready = ReservationFactory.step(services.shelve, reservation, now=MONDAY)

    assert _local_date(ready.pickup_deadline_at) == dt.date(2026, 3, 10)


def test_due_date__on_a_closed_day__moves_to_the_next_open_one() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(loan_days=5))
    book = BookFactory.create(branch=_weekday_branch())

    loan = ReservationFactory.borrowed(reader=reader, book=book, now=MONDAY)

    assert _local_date(loan.due_at) == dt.date(2026, 3, 9)


@pytest.mark.parametrize("at_once", [1, 2, 1000])
def test_resumable__are_books_with_a_free_copy_whose_suspensions_have_ended(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(deadlines, "_BOOKS_AT_ONCE", at_once)
    until = MONDAY + dt.timedelta(days=3)
    ended, later, busy, another = (_suspended(until + dt.timedelta(days=n)) for n in (0, 9, 0, 0))
    ReservationFactory.place(
        ReaderFactory.create(), BookFactory.create(), now=MONDAY
    )  # nobody waits for its other copy
    ReservationFactory.place(ReaderFactory.create(), busy, now=MONDAY)

    found = deadlines.list_resumable_books(now=until, limit=9)

    assert found == sorted([ended.pk, another.pk])
    assert deadlines.list_resumable_books(now=until, limit=1) == found[:1]
    assert later.pk in deadlines.list_resumable_books(now=until + dt.timedelta(days=9), limit=9)


def _suspended(until: dt.datetime) -> Book:
    """A book of one copy, which is free: who waits for it does not want it before."""
    book = BookFactory.create(copies=1)
    taken = ReservationFactory.place(ReaderFactory.create(), book, now=MONDAY)
    waiting = ReservationFactory.place(ReaderFactory.create(), book, now=MONDAY)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": until}, now=MONDAY)
    ReservationFactory.step(services.cancel_reservation, taken, now=MONDAY)
    return book


def test_due_date__wished_for_a_closed_day__ends_on_the_open_day_before() -> None:
    book = BookFactory.create(branch=_weekday_branch())
    sunday = dt.datetime(2026, 3, 8, 12, 0, tzinfo=WARSAW)
    reservation = ReservationFactory.place(ReaderFactory.create(), book, now=MONDAY, reserved_until=sunday)
    ReservationFactory.step(services.shelve, reservation, now=MONDAY)

    loan = ReservationFactory.step(services.issue, reservation, now=MONDAY)

    assert _local_date(loan.due_at) == dt.date(2026, 3, 6)


def test_reserved_until__on_a_loan__never_lengthens_it() -> None:
    loan = ReservationFactory.borrowed(now=MONDAY)
    due = loan.due_at
    assert due is not None

    later = ReservationFactory.step(
        services.change_reservation, loan, changes={"reserved_until": due + dt.timedelta(days=90)}, now=MONDAY
    )

    assert later.due_at == due


def test_reserved_until__without_an_offset__is_wall_time_at_the_pickup_branch() -> None:
    branch = _weekday_branch()
    reader = ReaderFactory.create()

    reservation = ReservationFactory.place(
        reader,
        BookFactory.create(copies=0),
        library=branch.name,
        reserved_until=dt.datetime(2026, 7, 1, 18, 0),  # noqa: DTZ001 -- that is the case
        now=MONDAY,
    )

    assert reservation.reserved_until == dt.datetime(2026, 7, 1, 16, 0, tzinfo=dt.UTC)


def test_reserved_until__in_the_past__is_refused_and_nothing_is_placed() -> None:
    reader, book = ReaderFactory.create(), BookFactory.create()

    with pytest.raises(ReservedUntilInPast):
        ReservationFactory.place(reader, book, reserved_until=MONDAY - dt.timedelta(minutes=1), now=MONDAY)

    assert not Reservation.objects.filter(reader=reader).exists()


def test_suspend__until_the_past__is_refused() -> None:
    waiting = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0), now=MONDAY)

    with pytest.raises(SuspendedUntilInPast):
        ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": MONDAY}, now=MONDAY)

    waiting.refresh_from_db()
    assert waiting.suspended_until is None


def test_pickup_branch__of_a_ready_copy__cannot_change() -> None:
    ready, branch = ReservationFactory.ready(), BranchFactory.create()

    with pytest.raises(WrongState):
        ReservationFactory.step(services.change_reservation, ready, changes={"pickup_branch": branch.code})

    ready.refresh_from_db()
    assert ready.pickup_branch_id != branch.pk


def test_pickup_branch__moved_to_where_the_limit_is_reached__is_refused_and_stays() -> None:
    there, policy = BranchFactory.create(), PolicyFactory.create(max_open_reservations=3)
    Policy.objects.create(category=policy.category, branch=there, max_open_reservations=2)
    reader = ReaderFactory.create(policy=policy)
    first, second, third = (ReservationFactory.place(reader, BookFactory.create(copies=0)) for _ in range(3))
    changes = {"pickup_branch": there.code}

    with pytest.raises(ReservationLimitReached):
        ReservationFactory.step(services.change_reservation, first, changes=changes)

    first.refresh_from_db()
    assert first.pickup_branch_id != there.pk
    ReservationFactory.step(services.cancel_reservation, third)
    assert ReservationFactory.step(services.change_reservation, second, changes=changes).pickup_branch == there


def test_branch_policy__stands_before_the_general_one() -> None:
    branch = _weekday_branch()
    policy = PolicyFactory.create(loan_days=28)
    Policy.objects.create(category=policy.category, branch=branch, loan_days=7)
    reader = ReaderFactory.create(policy=policy)

    loan = ReservationFactory.borrowed(reader=reader, book=BookFactory.create(branch=branch), now=MONDAY)

    assert _local_date(loan.due_at) == dt.date(2026, 3, 9)


def test_copy_choice__one_at_the_home_branch_is_preferred() -> None:
    far, home = BranchFactory.create(), BranchFactory.create()
    book = BookFactory.create(copies=1, branch=far)
    BookFactory.add_copy(book, branch=home)

    reservation = ReservationFactory.place(ReaderFactory.create(home_branch=home), book)

    assert (reservation.state, reservation.pickup_branch_id) == (State.ASSIGNED, home.pk)


def test_overdue_loan__blocks_new_reservations_and_renewals_until_returned() -> None:
    reader = ReaderFactory.create()
    loan = ReservationFactory.borrowed(reader=reader, now=MONDAY)
    assert loan.due_at is not None
    late = loan.due_at + dt.timedelta(days=1)
    book = BookFactory.create()
    with pytest.raises(BorrowingBlocked):
        ReservationFactory.place(reader, book, now=late)

    ReservationFactory.step(services.return_book, loan, now=late)

    assert ReservationFactory.place(reader, book, now=late).state == State.ASSIGNED


def test_wrong_branch__is_refused_and_nothing_is_placed() -> None:
    reader = ReaderFactory.create()

    with pytest.raises(LibraryUnknown):
        ReservationFactory.place(reader, BookFactory.create(), library="nowhere")

    assert not Reservation.objects.filter(reader=reader).exists()

"""What readers are told before they reserve, and while they wait: as placing does it, and as copies can serve."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bookwell.kit import clock
from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.kit.pages import Position
from bookwell.library.accounts.models import User
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.models import Copy, Policy, Reservation
from bookwell.library.circulation.queries.availability import get_outlooks
from bookwell.library.circulation.queries.books import BookFilter, list_book_rows, ordering_of
from bookwell.library.circulation.rules import CopyStatus, State
from bookwell.library.network.models import Branch
from tests.factories import (
    LIBRARIAN,
    BookFactory,
    BranchFactory,
    PolicyFactory,
    ReaderFactory,
    ReservationFactory,
    barcode_of,
)

pytestmark = pytest.mark.django_db


def _closed_to(branch: Branch, *, home: Branch | None = None) -> User:
    """A reader who may reserve nothing at one branch."""
    policy = PolicyFactory.create()
    Policy.objects.create(category=policy.category, branch=branch, max_open_reservations=0)
    return ReaderFactory.create(policy=policy, home_branch=home)


def _change(copy: Copy, status: CopyStatus) -> None:
    run_in_transaction(
        lambda: services.change_copy(barcode=copy.barcode, changes={"status": status}, actor=LIBRARIAN, now=clock.now())
    )


def _is_placed(reader: User, book: Book, *, now: dt.datetime | None = None) -> bool:
    try:
        ReservationFactory.place(reader, book, now=now)
    except DomainError:
        return False
    return True


@pytest.mark.parametrize("copies", [0, 1])
@pytest.mark.parametrize("has_home", [False, True])
@pytest.mark.parametrize("is_closed_at_main", [False, True])
def test_view_of_book__branches_with_policies_of_their_own__promises_what_placing_does(
    copies: int, has_home: bool, is_closed_at_main: bool
) -> None:
    main, home = BranchFactory.main(), BranchFactory.create()
    reader = _closed_to(main if is_closed_at_main else home, home=home if has_home else None)
    book = BookFactory.create(copies=copies, branch=main)

    view = queries.get_reader_view_of_book(
        reader_id=reader.pk, book_id=book.pk, home_branch_id=reader.home_branch_id, now=clock.now()
    )

    assert view["can_reserve"] is _is_placed(reader, book)


def test_list_books__of_a_branch__leaves_out_what_it_has_lost() -> None:
    branch = BranchFactory.create()
    kept, gone = BookFactory.create(branch=branch), BookFactory.create(branch=branch)
    _change(Copy.objects.get(book=gone), CopyStatus.LOST)
    chosen = BookFilter(branch=branch.code)

    rows = list_book_rows(chosen, ordering_of("", chosen), Position(), limit=9)

    assert [row[0] for row in rows] == [kept.pk]


def _estimates(book: Book, **of_reader: Any) -> tuple[dt.date | None, dt.date | None, dt.date | None]:
    """What is told to whoever places, to whoever waits, and to the public."""
    now = clock.now()
    reader = ReaderFactory.create(**of_reader)
    public = get_outlooks([book.pk], now=now)[book.pk].expected_on
    placed = run_in_transaction(
        lambda: services.place_reservation(reader_id=reader.pk, book_id=book.pk, actor=LIBRARIAN, now=now)
    )
    waiting = Reservation.objects.get(pk=placed.id)
    view = queries.get_view(reservation_id=waiting.pk, actor=LIBRARIAN, now=now)
    return placed.estimated_ready_on, view.estimated_ready_on, public


@pytest.mark.parametrize("status", [CopyStatus.IN_REPAIR, CopyStatus.LOST])
def test_estimate__no_copy_can_serve__there_is_none(status: CopyStatus) -> None:
    book = BookFactory.create()
    _change(Copy.objects.get(book=book), status)

    assert _estimates(book) == (None, None, None)


def test_estimate__one_copy_is_lent_and_one_in_repair__is_the_due_date_and_then_a_loan_later() -> None:
    book = BookFactory.create(copies=2)
    loan = ReservationFactory.borrowed(book=book)
    _change(Copy.objects.exclude(barcode=barcode_of(loan)).get(book=book), CopyStatus.IN_REPAIR)
    assert loan.due_at is not None
    due = loan.due_at.date()

    assert _estimates(book) == (due, due, due)
    assert _estimates(book) == tuple([due + dt.timedelta(days=28)] * 3)


def test_estimate__copy_is_set_aside__counts_as_lent_today() -> None:
    book = BookFactory.create()
    ReservationFactory.place(ReaderFactory.create(), book)

    assert _estimates(book) == tuple([clock.now().date() + dt.timedelta(days=28)] * 3)


def test_estimate__the_branch_is_behind_greenwich__is_the_due_date_there() -> None:
    branch = BranchFactory.create(time_zone="America/Los_Angeles")
    loan = ReservationFactory.borrowed(book=BookFactory.create(branch=branch))
    assert loan.due_at is not None
    due = loan.due_at.astimezone(ZoneInfo(branch.time_zone)).date()
    assert due < loan.due_at.date()

    placed, waiting, _ = _estimates(loan.book, home_branch=branch)

    assert (placed, waiting) == (due, due)


@pytest.mark.parametrize("has_home", [False, True])
@pytest.mark.parametrize(("that_block", "blocks"), [(0, []), (1, ["reader.overdue"]), (2, [])])
def test_profile__a_loan_is_overdue__names_it_as_a_block_where_placing_refuses(
    that_block: int, blocks: list[str], has_home: bool
) -> None:
    home = BranchFactory.create() if has_home else BranchFactory.main()
    policy = PolicyFactory.create(overdue_loans_that_block=3)
    Policy.objects.create(category=policy.category, branch=home, overdue_loans_that_block=that_block)
    reader = ReaderFactory.create(policy=policy, home_branch=home if has_home else None)
    loan = ReservationFactory.borrowed(reader=reader)
    assert loan.due_at is not None
    late = loan.due_at + dt.timedelta(days=1)

    summary = queries.reader_summary(reader_id=reader.pk, now=late)

    assert ([block["code"] for block in summary["blocks"]], summary["overdue_loans"]) == (blocks, 1)
    assert _is_placed(reader, BookFactory.create(branch=home), now=late) is not bool(blocks)


@pytest.mark.parametrize("is_lent", [False, True])
def test_estimate__suspended__is_the_day_on_which_that_ends(is_lent: bool) -> None:
    branch = BranchFactory.create(time_zone="America/Los_Angeles")
    loan = ReservationFactory.borrowed()
    waiting = ReservationFactory.place(ReaderFactory.create(home_branch=branch), loan.book)
    ends_at = dt.datetime.combine(clock.now().date() + dt.timedelta(days=90), dt.time(1), dt.UTC)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": ends_at})
    if not is_lent:
        ReservationFactory.step(services.return_book, loan)

    view = queries.get_view(reservation_id=waiting.pk, actor=LIBRARIAN, now=clock.now())

    assert view.estimated_ready_on == ends_at.date() - dt.timedelta(days=1)


def test_estimate__suspended_and_soon_over_beside_a_free_copy__waits_for_no_loan() -> None:
    loan = ReservationFactory.borrowed()
    waiting = ReservationFactory.place(ReaderFactory.create(), loan.book)
    ends_at = clock.now() + dt.timedelta(days=2)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": ends_at})
    ReservationFactory.step(services.return_book, loan)

    view = queries.get_view(reservation_id=waiting.pk, actor=LIBRARIAN, now=clock.now())

    assert view.estimated_ready_on == ends_at.date()


def test_list_views__one_of_the_page_has_just_moved_on__is_not_taken_for_the_last_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branch, book = BranchFactory.create(), BookFactory.create(copies=0)
    rows = [ReservationFactory.place(ReaderFactory.create(), book, library=branch.code) for _ in range(3)]

    def page_while_a_reader_gives_up(*of: Any, **options: Any) -> list[Any]:
        monkeypatch.undo()
        page = keyset_page(*of, **options)
        ReservationFactory.step(services.cancel_reservation, rows[2])
        return page

    monkeypatch.setattr(queries.reservations, "keyset_page", page_while_a_reader_gives_up)
    wanted = queries.ReservationFilter(state=State.WAITING, branch=branch.code)

    page = queries.list_views(wanted, position=Position(), limit=1, now=clock.now())

    assert [view.id for view in page] == [rows[2].pk, rows[1].pk]

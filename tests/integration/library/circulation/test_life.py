"""A reservation's life through the services, on a real database."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.errors import (
    BorrowingBlocked,
    CopyHeld,
    CopyNotHere,
    LoanLimitReached,
    RenewalsUsedUp,
    RenewalWouldDelayOthers,
    ReservationExists,
    ReservationLimitReached,
    ReservationNotFound,
    SelfReturnForbidden,
    WrongState,
)
from bookwell.library.circulation.models import Copy, Reservation
from bookwell.library.circulation.rules import Actor, CopyStatus, State
from bookwell.library.circulation.tasks import expire_due, resume_due
from tests.factories import (
    LIBRARIAN,
    BookFactory,
    BranchFactory,
    PolicyFactory,
    ReaderFactory,
    ReservationFactory,
    barcode_of,
)
from tests.invariants import assert_invariants

pytestmark = pytest.mark.django_db


def test_place__copy_is_free__is_assigned_and_on_the_pull_list() -> None:
    book = BookFactory.create(copies=1)

    reservation = ReservationFactory.place(ReaderFactory.create(), book)

    assert reservation.state == State.ASSIGNED
    assert reservation.is_on_pull_list
    assert reservation.pickup_branch == BranchFactory.main()
    assert_invariants([book.pk], now=clock.now())


def test_place__no_copy_is_free__waits_at_the_end_with_an_estimate() -> None:
    book = BookFactory.create(copies=1)
    ReservationFactory.borrowed(book=book)
    ReservationFactory.place(ReaderFactory.create(), book)

    reservation = ReservationFactory.place(ReaderFactory.create(), book)

    view = queries.get_view(reservation_id=reservation.pk, actor=LIBRARIAN, now=clock.now())
    assert (view.state, view.position) == (State.WAITING, 2)
    assert view.estimated_ready_on is not None
    assert view.estimated_ready_on > clock.now().date()
    assert_invariants([book.pk], now=clock.now())


def test_place__same_book_again__is_refused_and_changes_nothing() -> None:
    book, reader = BookFactory.create(copies=2), ReaderFactory.create()
    ReservationFactory.place(reader, book)

    with pytest.raises(ReservationExists):
        ReservationFactory.place(reader, book)

    assert Reservation.objects.filter(reader=reader).count() == 1
    assert_invariants([book.pk], now=clock.now())


def test_place__limit_reached__is_refused_and_changes_nothing() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=1))
    ReservationFactory.place(reader, BookFactory.create())
    book = BookFactory.create()

    with pytest.raises(ReservationLimitReached):
        ReservationFactory.place(reader, book)

    assert not Reservation.objects.filter(book=book).exists()
    assert_invariants([book.pk], now=clock.now())


def test_place__takes_at_most_12_statements() -> None:
    book, reader = BookFactory.create(copies=0), ReaderFactory.create()

    with CaptureQueriesContext(connection) as captured:
        services.place_reservation(
            reader_id=reader.pk,
            book_id=book.pk,
            library="main",
            actor=Actor(reader.pk, is_librarian=False),
            now=clock.now(),
        )

    # The bearer check and the idempotency key are two more.
    assert len(captured) + 2 <= 12, [query["sql"] for query in captured.captured_queries]


def test_place__policy_shelves_immediately__is_ready_with_a_deadline() -> None:
    policy = PolicyFactory.create(shelve_immediately=True, pickup_days=3)

    reservation = ReservationFactory.place(ReaderFactory.create(policy=policy), BookFactory.create())

    assert reservation.state == State.READY
    assert reservation.pickup_deadline_at is not None
    assert reservation.pickup_deadline_at > clock.now() + dt.timedelta(days=3)


def test_the_whole_story__return_promotes_the_second_reader_and_explain_says_why() -> None:
    book, second = BookFactory.create(copies=1), ReaderFactory.create()
    loan = ReservationFactory.borrowed(book=book)
    waiting = ReservationFactory.place(second, book)

    _, instruction = run_in_transaction(
        lambda: services.return_book(reservation_id=loan.pk, actor=LIBRARIAN, now=clock.now())
    )

    waiting.refresh_from_db()
    assert (waiting.state, waiting.is_on_pull_list) == (State.ASSIGNED, False)
    assert (instruction.action, instruction.reservation_id) == (services.Action.HOLD_SHELF, waiting.pk)
    facts = queries.explain(reservation_id=waiting.pk, actor=Actor(second.pk, is_librarian=False), now=clock.now())
    assert [fact["position"] for fact in facts if fact["code"] == "placed.no_copy_was_free"] == [1]
    assert ("queue.promoted", "returned") in {(fact["code"], fact.get("cause")) for fact in facts}
    assert_invariants([book.pk], now=clock.now())


def test_return__next_reader_picks_up_elsewhere__is_shipped_and_received() -> None:
    there = BranchFactory.create()
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book, library=there.code)

    instruction = run_in_transaction(
        lambda: services.check_in(
            barcode=Copy.objects.get(book=book).barcode, branch="main", actor=LIBRARIAN, now=clock.now()
        )
    )
    with pytest.raises(CopyNotHere):
        ReservationFactory.step(services.shelve, waiting)
    shipped = ReservationFactory.step(services.ship, waiting)

    loan.refresh_from_db()
    assert (loan.state, instruction.action) == (State.RETURNED, services.Action.SHIP)
    assert shipped.state == State.IN_TRANSIT
    received = ReservationFactory.step(services.receive, waiting)
    assert (received.state, received.pickup_branch_id) == (State.READY, there.pk)
    assert_invariants([book.pk], now=clock.now())


def test_check_in__nobody_waits_and_copy_is_from_elsewhere__goes_home() -> None:
    home = BranchFactory.create()
    book = BookFactory.create(copies=1, branch=home)
    ReservationFactory.borrowed(book=book)
    barcode = Copy.objects.get(book=book).barcode
    BranchFactory.main()

    away = run_in_transaction(
        lambda: services.check_in(barcode=barcode, branch="main", actor=LIBRARIAN, now=clock.now())
    )
    at_home = run_in_transaction(
        lambda: services.check_in(barcode=barcode, branch=home.code, actor=LIBRARIAN, now=clock.now())
    )

    assert (away.action, at_home.action) == (services.Action.SHIP, services.Action.RESHELVE)
    assert_invariants([book.pk], now=clock.now())


def test_cancel__ready_one__hands_the_copy_to_the_next() -> None:
    book = BookFactory.create(copies=1)
    ready = ReservationFactory.ready(book=book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)

    ReservationFactory.step(services.cancel_reservation, ready)

    waiting.refresh_from_db()
    assert (ready.state, waiting.state) == (State.CANCELLED, State.ASSIGNED)
    assert_invariants([book.pk], now=clock.now())


def test_cancel__another_reader__is_not_found_and_nothing_changes() -> None:
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create())
    stranger = Actor(ReaderFactory.create().pk, is_librarian=False)

    with pytest.raises(ReservationNotFound):
        services.cancel_reservation(reservation_id=reservation.pk, actor=stranger, now=clock.now())

    reservation.refresh_from_db()
    assert reservation.state == State.ASSIGNED


def test_cancel__loan__is_refused() -> None:
    loan = ReservationFactory.borrowed()

    with pytest.raises(WrongState):
        ReservationFactory.step(services.cancel_reservation, loan)

    assert_invariants([loan.book_id], now=clock.now())


def test_expire_due__pickup_deadline_passed__expires_and_promotes_once() -> None:
    book = BookFactory.create(copies=1)
    ready = ReservationFactory.ready(book=book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)
    later = clock.now() + dt.timedelta(days=30)

    first, second = expire_due(now=later), expire_due(now=later)

    ready.refresh_from_db()
    waiting.refresh_from_db()
    assert (ready.state, waiting.state) == (State.EXPIRED, State.ASSIGNED)
    assert (first, second) == (1, 0)
    assert_invariants([book.pk], now=later)


def test_expire_due__reserved_until_passed_while_waiting__expires() -> None:
    book = BookFactory.create(copies=0)
    until = clock.now() + dt.timedelta(days=2)
    waiting = ReservationFactory.place(ReaderFactory.create(), book, reserved_until=until)

    expire_due(now=until + dt.timedelta(seconds=1))

    waiting.refresh_from_db()
    assert waiting.state == State.EXPIRED
    assert_invariants([book.pk], now=until + dt.timedelta(seconds=1))


def test_suspended_reader__is_passed_over_and_keeps_the_place() -> None:
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    first = ReservationFactory.place(ReaderFactory.create(), book)
    second = ReservationFactory.place(ReaderFactory.create(), book)
    until = clock.now() + dt.timedelta(days=10)
    ReservationFactory.step(services.change_reservation, first, changes={"suspended_until": until})

    ReservationFactory.step(services.return_book, loan)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (State.WAITING, State.ASSIGNED)
    view = queries.get_view(reservation_id=first.pk, actor=LIBRARIAN, now=clock.now())
    assert view.position == 1
    assert_invariants([book.pk], now=clock.now())


def test_suspension_ends__with_a_free_copy__is_assigned_by_the_job() -> None:
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)
    until = clock.now() + dt.timedelta(days=1)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": until})
    ReservationFactory.step(services.return_book, loan)

    resumed = resume_due(now=until + dt.timedelta(seconds=1))

    waiting.refresh_from_db()
    assert (waiting.state, resumed) == (State.ASSIGNED, 1)
    assert_invariants([book.pk], now=until + dt.timedelta(seconds=1))


def test_place__suspension_before_has_run_out__does_not_overtake() -> None:
    book = BookFactory.create(copies=1)
    loan = ReservationFactory.borrowed(book=book)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)
    until = clock.now() + dt.timedelta(days=1)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": until})
    ReservationFactory.step(services.return_book, loan)

    newcomer = ReservationFactory.place(ReaderFactory.create(), book, now=until + dt.timedelta(seconds=1))

    waiting.refresh_from_db()
    assert (waiting.state, newcomer.state) == (State.ASSIGNED, State.WAITING)


def test_blocked_reader__is_passed_over_until_the_block_is_lifted() -> None:
    book, reader = BookFactory.create(copies=1), ReaderFactory.create()
    loan = ReservationFactory.borrowed(book=book)
    waiting = ReservationFactory.place(reader, book)
    block_id = run_in_transaction(
        lambda: services.add_block(reader_id=reader.pk, reason="card lost", actor=LIBRARIAN, now=clock.now())
    )
    ReservationFactory.step(services.return_book, loan)
    waiting.refresh_from_db()
    assert waiting.state == State.WAITING

    run_in_transaction(lambda: services.lift_block(block_id=block_id, actor=LIBRARIAN, now=clock.now()))

    waiting.refresh_from_db()
    assert waiting.state == State.ASSIGNED
    assert_invariants([book.pk], now=clock.now())


def test_place__blocked_reader__is_refused() -> None:
    reader, book = ReaderFactory.create(), BookFactory.create()
    services.add_block(reader_id=reader.pk, reason="card lost", actor=LIBRARIAN, now=clock.now())

    with pytest.raises(BorrowingBlocked):
        ReservationFactory.place(reader, book)

    assert not Reservation.objects.filter(reader=reader).exists()


def test_renew__nobody_waits__is_longer_and_counted() -> None:
    loan = ReservationFactory.borrowed()
    old = loan.due_at
    later = clock.now() + dt.timedelta(days=5)

    renewed = ReservationFactory.step(services.renew, loan, now=later)

    assert renewed.renewals == 1
    assert renewed.due_at is not None
    assert old is not None
    assert renewed.due_at > old


def test_renew__another_reader_waits__is_refused() -> None:
    loan = ReservationFactory.borrowed()
    ReservationFactory.place(ReaderFactory.create(), loan.book)
    due = loan.due_at

    with pytest.raises(RenewalWouldDelayOthers):
        ReservationFactory.step(services.renew, loan)

    loan.refresh_from_db()
    assert (loan.due_at, loan.renewals) == (due, 0)


def test_renew__count_used_up__is_refused() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_renewals=0))
    loan = ReservationFactory.borrowed(reader=reader)

    with pytest.raises(RenewalsUsedUp):
        ReservationFactory.step(services.renew, loan)


def test_issue__loan_limit_reached__is_refused_and_stays_ready() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_loans=1))
    ReservationFactory.borrowed(reader=reader)
    ready = ReservationFactory.ready(reader=reader)

    with pytest.raises(LoanLimitReached):
        ReservationFactory.step(services.issue, ready)

    ready.refresh_from_db()
    assert ready.state == State.READY
    assert_invariants([ready.book_id], now=clock.now())


def test_issue__wish_for_an_earlier_end__shortens_the_loan() -> None:
    wish = clock.now() + dt.timedelta(days=3)
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(), reserved_until=wish)
    ReservationFactory.step(services.shelve, reservation)

    loan = ReservationFactory.step(services.issue, reservation)

    assert loan.due_at is not None
    assert abs(loan.due_at - wish) < dt.timedelta(seconds=1)


def test_check_out__walk_in__is_a_loan() -> None:
    book, reader = BookFactory.create(copies=1), ReaderFactory.create()
    barcode = Copy.objects.get(book=book).barcode

    loan = run_in_transaction(
        lambda: services.check_out(barcode=barcode, card=reader.card_number, actor=LIBRARIAN, now=clock.now())
    )

    assert loan.state == State.BORROWED
    assert_invariants([book.pk], now=clock.now())


def test_check_out__reader_waited_for_the_book__the_waiting_one_becomes_the_loan() -> None:
    book, reader = BookFactory.create(copies=1), ReaderFactory.create()
    first_loan = ReservationFactory.borrowed(book=book)
    waiting = ReservationFactory.place(reader, book)
    until = clock.now() + dt.timedelta(days=9)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": until})
    ReservationFactory.step(services.return_book, first_loan)
    barcode = Copy.objects.get(book=book).barcode

    loan = run_in_transaction(
        lambda: services.check_out(barcode=barcode, card=reader.card_number, actor=LIBRARIAN, now=clock.now())
    )

    assert (loan.pk, loan.state) == (waiting.pk, State.BORROWED)
    assert_invariants([book.pk], now=clock.now())


def test_check_out__another_copy_than_the_one_set_aside__swaps_and_promotes() -> None:
    book, reader = BookFactory.create(copies=2), ReaderFactory.create()
    mine = ReservationFactory.ready(reader=reader, book=book)
    other = Copy.objects.filter(book=book).exclude(barcode=barcode_of(mine)).get()

    loan = run_in_transaction(
        lambda: services.check_out(barcode=other.barcode, card=reader.card_number, actor=LIBRARIAN, now=clock.now())
    )

    assert (loan.pk, loan.copy_id) == (mine.pk, other.pk)
    assert_invariants([book.pk], now=clock.now())


def test_check_out__copy_of_another_reader__is_refused() -> None:
    ready = ReservationFactory.ready()
    stranger = ReaderFactory.create()
    barcode = barcode_of(ready)

    with pytest.raises(CopyHeld):
        run_in_transaction(
            lambda: services.check_out(barcode=barcode, card=stranger.card_number, actor=LIBRARIAN, now=clock.now())
        )

    assert_invariants([ready.book_id], now=clock.now())


def test_return__by_the_reader__needs_the_policy() -> None:
    loan = ReservationFactory.borrowed()
    reader = Actor(loan.reader_id, is_librarian=False)

    with pytest.raises(SelfReturnForbidden):
        services.return_book(reservation_id=loan.pk, actor=reader, now=clock.now())

    loan.refresh_from_db()
    assert loan.state == State.BORROWED


def test_copy_lost_while_lent__ends_the_loan_and_writes_the_copy_off() -> None:
    loan = ReservationFactory.borrowed()
    barcode = barcode_of(loan)

    run_in_transaction(
        lambda: services.change_copy(
            barcode=barcode, changes={"status": CopyStatus.LOST}, actor=LIBRARIAN, now=clock.now()
        )
    )

    loan.refresh_from_db()
    assert loan.state == State.LOST
    assert_invariants([loan.book_id], now=clock.now())


def test_copy_to_repair_while_set_aside__its_reader_waits_at_the_same_place() -> None:
    book = BookFactory.create(copies=1)
    ready = ReservationFactory.ready(book=book)
    ReservationFactory.place(ReaderFactory.create(), book)
    barcode = Copy.objects.get(book=book).barcode

    for status in (CopyStatus.IN_REPAIR, CopyStatus.IN_SERVICE):
        run_in_transaction(
            lambda wanted=status: services.change_copy(  # type: ignore[misc]
                barcode=barcode, changes={"status": wanted}, actor=LIBRARIAN, now=clock.now()
            )
        )
        assert_invariants([book.pk], now=clock.now())

    ready.refresh_from_db()
    assert ready.state == State.ASSIGNED


def test_add_copy__someone_waits__is_set_aside_at_once() -> None:
    book = BookFactory.create(copies=0)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)

    BookFactory.add_copy(book)

    waiting.refresh_from_db()
    assert waiting.state == State.ASSIGNED
    assert_invariants([book.pk], now=clock.now())


def test_remove_copy__held__is_refused() -> None:
    ready = ReservationFactory.ready()
    barcode = barcode_of(ready)

    with pytest.raises(CopyHeld):
        services.remove_copy(barcode=barcode, actor=LIBRARIAN, now=clock.now())

    assert Copy.objects.filter(barcode=barcode).exists()

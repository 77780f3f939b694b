"""Copies on the way: in transit, sent home, scanned at a third branch, returned without the desk."""

import datetime as dt

import pytest

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.pages import Position
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.errors import PolicyExists, PolicyNeeded, ReservationExists
from bookwell.library.circulation.models import Block, Copy, Policy, Reservation
from bookwell.library.circulation.rules import SYSTEM, Actor, CopyStatus, State
from bookwell.library.circulation.tasks import resume_due
from bookwell.library.network.models import Branch
from bookwell.library.plumbing.models import OutboxRow
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


def _check_in(reservation: Reservation, branch: str) -> services.Instruction:
    barcode = barcode_of(reservation)
    return run_in_transaction(
        lambda: services.check_in(barcode=barcode, branch=branch, actor=LIBRARIAN, now=clock.now())
    )


def _change_status(barcode: str, status: CopyStatus) -> None:
    run_in_transaction(
        lambda: services.change_copy(barcode=barcode, changes={"status": status}, actor=LIBRARIAN, now=clock.now())
    )


def _lists(branch: Branch) -> dict[str, list[int]]:
    """What stands on the desk's lists of a branch."""
    lists = {
        "pull_list": queries.list_pull_list,
        "in_hand": queries.list_in_hand,
        "hold_shelf": queries.list_hold_shelf,
    }
    found = {
        name: [item.id for item in read(branch.code, now=clock.now(), position=Position(), limit=9)]
        for name, read in lists.items()
    }
    return {name: ids for name, ids in found.items() if ids}


def _self_return(loan: Reservation) -> services.Instruction:
    return run_in_transaction(
        lambda: services.return_book(
            reservation_id=loan.pk, actor=Actor(loan.reader_id, is_librarian=False), now=clock.now()
        )
    )[1]


def _lent_away_from_home() -> tuple[Reservation, Branch]:
    """A loan that its reader may return without the desk, and the branch to which its copy belongs."""
    home = BranchFactory.create()
    reader = ReaderFactory.create(policy=PolicyFactory.create(self_return=True))
    loan = ReservationFactory.place(reader, BookFactory.create(branch=home), library=BranchFactory.create().code)
    for verb in (services.ship, services.receive, services.issue):
        ReservationFactory.step(verb, loan)
    return loan, home


def _in_transit() -> Reservation:
    there = BranchFactory.create()
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(), library=there.code)
    return ReservationFactory.step(services.ship, reservation)


def test_check_in__in_transit_at_a_third_branch__travels_on_and_can_be_received() -> None:
    reservation, third = _in_transit(), BranchFactory.create()

    instruction = _check_in(reservation, third.code)
    received = ReservationFactory.step(services.receive, reservation)

    assert instruction.action == services.Action.SHIP
    assert received.state == State.READY
    assert_invariants([reservation.book_id], now=clock.now())


def test_check_in__in_transit_at_its_pickup_branch__is_ready() -> None:
    reservation = _in_transit()

    instruction = _check_in(reservation, reservation.pickup_branch.code)

    reservation.refresh_from_db()
    assert (instruction.action, reservation.state) == (services.Action.HOLD_SHELF, State.READY)


def test_check_in__ready_copy_at_another_branch__travels_back_without_a_deadline() -> None:
    ready, elsewhere = ReservationFactory.ready(), BranchFactory.create()

    instruction = _check_in(ready, elsewhere.code)

    ready.refresh_from_db()
    assert (instruction.action, ready.state, ready.pickup_deadline_at) == (
        services.Action.SHIP,
        State.IN_TRANSIT,
        None,
    )
    assert_invariants([ready.book_id], now=clock.now())


def test_cancel_in_transit__next_reader_is_not_told_ready_while_the_copy_travels() -> None:
    reservation = _in_transit()
    policy = PolicyFactory.create(shelve_immediately=True)
    code = reservation.pickup_branch.code
    waiting = ReservationFactory.place(ReaderFactory.create(policy=policy), reservation.book, library=code)

    ReservationFactory.step(services.cancel_reservation, reservation)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.is_on_pull_list) == (State.ASSIGNED, False)
    _check_in(waiting, code)
    waiting.refresh_from_db()
    assert waiting.state == State.READY
    assert waiting.pickup_deadline_at is not None
    assert OutboxRow.objects.filter(aggregate=f"reservation:{waiting.pk}", type="reservation.ready").count() == 1


def test_check_in__assigned_at_its_pickup_branch__is_in_hand_until_it_is_shelved() -> None:
    there = BranchFactory.create()
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(), library=there.code)

    _check_in(reservation, there.code)

    assert _lists(there) == {"in_hand": [reservation.pk]}
    ReservationFactory.step(services.shelve, reservation)
    assert _lists(there) == {"hold_shelf": [reservation.pk]}


def test_check_in__assigned_at_a_third_branch__is_in_hand_there_until_it_is_shipped() -> None:
    there, third = BranchFactory.create(), BranchFactory.create()
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(), library=there.code)

    instruction = _check_in(reservation, third.code)

    assert (instruction.action, _lists(third)) == (services.Action.SHIP, {"in_hand": [reservation.pk]})
    ReservationFactory.step(services.ship, reservation)
    assert _lists(third) == {}


def test_sent_home__whoever_reserves_meanwhile_has_no_pull_list_line_until_it_arrives() -> None:
    home = BranchFactory.create()
    book = BookFactory.create(branch=home)
    loan = ReservationFactory.borrowed(book=book)
    BranchFactory.main()
    _check_in(loan, "main")

    reservation = ReservationFactory.place(ReaderFactory.create(), book)

    assert (reservation.state, reservation.is_on_pull_list) == (State.ASSIGNED, False)
    assert _check_in(reservation, home.code).action == services.Action.HOLD_SHELF


def test_self_return__heir_is_on_the_pull_list_and_not_told_ready() -> None:
    policy = PolicyFactory.create(self_return=True, shelve_immediately=True)
    loan = ReservationFactory.place(ReaderFactory.create(policy=policy), BookFactory.create())
    ReservationFactory.step(services.issue, loan)
    waiting = ReservationFactory.place(ReaderFactory.create(policy=policy), loan.book)
    elsewhere = BranchFactory.create()

    services.return_book(
        reservation_id=loan.pk,
        branch=elsewhere.code,
        actor=Actor(loan.reader_id, is_librarian=False),
        now=clock.now(),
    )

    waiting.refresh_from_db()
    assert (waiting.state, waiting.is_on_pull_list) == (State.ASSIGNED, True)
    assert Copy.objects.get(barcode=barcode_of(waiting)).location == BranchFactory.main()
    assert_invariants([loan.book_id], now=clock.now())


def test_self_return__away_from_home__heir_finds_the_copy_where_it_was_lent() -> None:
    loan, _ = _lent_away_from_home()
    heir = ReservationFactory.place(ReaderFactory.create(), loan.book, library=loan.pickup_branch.code)

    _self_return(loan)

    heir.refresh_from_db()
    assert heir.copy is not None
    assert (heir.copy.location, heir.copy.is_travelling) == (loan.pickup_branch, False)
    assert _lists(loan.pickup_branch) == {"pull_list": [heir.pk]}
    assert ReservationFactory.step(services.shelve, heir).state == State.READY
    assert_invariants([loan.book_id], now=clock.now())


def test_self_return__away_from_home__goes_home_once_the_desk_has_it() -> None:
    loan, home = _lent_away_from_home()

    instruction = _self_return(loan)

    copy = Copy.objects.get(book=loan.book)
    assert (copy.location, copy.is_travelling) == (loan.pickup_branch, False)
    assert (instruction.action, loan.pickup_branch.name in instruction.detail) == (services.Action.RESHELVE, True)
    assert _check_in(loan, loan.pickup_branch.code).action == services.Action.SHIP
    copy.refresh_from_db()
    assert (copy.location, copy.is_travelling) == (home, True)


def test_self_return__heir_was_once_suspended__is_not_told_ready_and_hears_the_right_cause() -> None:
    policy = PolicyFactory.create(self_return=True, shelve_immediately=True)
    loan = ReservationFactory.place(ReaderFactory.create(policy=policy), BookFactory.create())
    ReservationFactory.step(services.issue, loan)
    heir = ReservationFactory.place(ReaderFactory.create(policy=policy), loan.book)
    until = clock.now() + dt.timedelta(days=1)
    ReservationFactory.step(services.change_reservation, heir, changes={"suspended_until": until})
    later = until + dt.timedelta(days=1)

    run_in_transaction(
        lambda: services.return_book(reservation_id=loan.pk, actor=Actor(loan.reader_id, is_librarian=False), now=later)
    )

    heir.refresh_from_db()
    assert (heir.state, heir.is_on_pull_list, heir.suspended_until) == (State.ASSIGNED, True, None)
    facts = queries.explain(reservation_id=heir.pk, actor=LIBRARIAN, now=later)
    assert [fact["cause"] for fact in facts if fact["code"] == "queue.promoted"] == ["self_returned"]


def test_issue__wish_has_passed__is_a_full_loan() -> None:
    now = clock.now()
    reservation = ReservationFactory.place(
        ReaderFactory.create(), BookFactory.create(), reserved_until=now + dt.timedelta(days=1)
    )
    ReservationFactory.step(services.shelve, reservation)

    loan = ReservationFactory.step(services.issue, reservation, now=now + dt.timedelta(days=3))

    assert loan.due_at is not None
    assert loan.due_at > now + dt.timedelta(days=20)


def test_check_out__another_suspension_has_run_out__gets_the_other_copy() -> None:
    book = BookFactory.create(copies=0)
    waiting = ReservationFactory.place(ReaderFactory.create(), book)
    until = clock.now() + dt.timedelta(days=1)
    ReservationFactory.step(services.change_reservation, waiting, changes={"suspended_until": until})
    in_hand, other = BookFactory.add_copy(book), BookFactory.add_copy(book)
    walk_in = ReaderFactory.create()

    loan = run_in_transaction(
        lambda: services.check_out(
            barcode=in_hand.barcode, card=walk_in.card_number, actor=LIBRARIAN, now=until + dt.timedelta(seconds=1)
        )
    )

    waiting.refresh_from_db()
    assert (loan.copy_id, waiting.copy_id) == (in_hand.pk, other.pk)


def test_check_out__reader_has_a_copy_already__is_refused() -> None:
    book = BookFactory.create(copies=2)
    loan = ReservationFactory.borrowed(book=book)
    other = Copy.objects.filter(book=book).exclude(barcode=barcode_of(loan)).get()

    with pytest.raises(ReservationExists):
        run_in_transaction(
            lambda: services.check_out(
                barcode=other.barcode, card=loan.reader.card_number, actor=LIBRARIAN, now=clock.now()
            )
        )

    assert_invariants([book.pk], now=clock.now())


def test_lost_copy__turns_up_at_the_desk__is_counted_and_recorded() -> None:
    loan = ReservationFactory.borrowed()
    barcode = barcode_of(loan)
    _change_status(barcode, CopyStatus.LOST)

    instruction = run_in_transaction(
        lambda: services.check_in(barcode=barcode, branch="main", actor=LIBRARIAN, now=clock.now())
    )

    assert instruction.action == services.Action.RESHELVE
    assert AuditEntry.objects.filter(action="copy.found", object_type="copy").exists()
    assert_invariants([loan.book_id], now=clock.now())


@pytest.mark.parametrize("away", [CopyStatus.IN_REPAIR, CopyStatus.LOST])
def test_change_copy__back_in_service_after_it_left_it_on_its_way__can_be_fetched(away: CopyStatus) -> None:
    reservation = _in_transit()
    barcode = barcode_of(reservation)

    for status in (away, CopyStatus.IN_SERVICE):
        _change_status(barcode, status)

    reservation.refresh_from_db()
    assert reservation.state == State.ASSIGNED
    assert _lists(reservation.pickup_branch) == {"pull_list": [reservation.pk]}
    assert ReservationFactory.step(services.shelve, reservation).state == State.READY
    assert_invariants([reservation.book_id], now=clock.now())


def test_deactivated_reader__is_passed_over_and_served_by_the_job_when_active_again() -> None:
    loan = ReservationFactory.borrowed()
    reader = ReaderFactory.create()
    waiting = ReservationFactory.place(reader, loan.book)
    reader.is_active = False
    reader.save()
    ReservationFactory.step(services.return_book, loan)
    waiting.refresh_from_db()
    assert waiting.state == State.WAITING

    reader.is_active = True
    reader.save()
    resumed = resume_due(now=clock.now())

    waiting.refresh_from_db()
    assert (waiting.state, resumed) == (State.ASSIGNED, 1)


def test_close_reader__claims_and_blocks_go_and_copies_pass_on() -> None:
    reader, other = ReaderFactory.create(), ReaderFactory.create()
    mine = ReservationFactory.ready(reader=reader)
    theirs = ReservationFactory.place(other, mine.book)
    services.add_block(reader_id=reader.pk, reason="card lost", actor=LIBRARIAN, now=clock.now())

    run_in_transaction(lambda: services.close_reader(reader_id=reader.pk, actor=LIBRARIAN, now=clock.now()))

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.state, theirs.state) == (State.CANCELLED, State.ASSIGNED)
    assert not Block.objects.filter(reader=reader).exists()
    assert_invariants([mine.book_id], now=clock.now())


def test_promotion__is_the_systems_in_the_audit_trail() -> None:
    loan = ReservationFactory.borrowed()
    waiting = ReservationFactory.place(ReaderFactory.create(), loan.book)

    ReservationFactory.step(services.return_book, loan)

    entries = dict(AuditEntry.objects.filter(object_id__in=[loan.pk, waiting.pk]).values_list("action", "actor_id"))
    assert (entries["reservation.returned"], entries["reservation.assigned"]) == (LIBRARIAN.user_id, SYSTEM.user_id)


def test_add_policy__second_general_one__is_refused_by_the_database_too() -> None:
    policy = PolicyFactory.create()

    with pytest.raises(PolicyExists):
        services.add_policy(category=str(policy.category_id), branch=None, terms={}, actor=LIBRARIAN)
    with pytest.raises(PolicyExists):
        run_in_transaction(lambda: Policy.objects.create(category=policy.category))

    assert Policy.objects.filter(category=policy.category).count() == 1


def test_remove_policy__general_one__is_refused() -> None:
    policy = PolicyFactory.create()

    with pytest.raises(PolicyNeeded):
        services.remove_policy(policy_id=policy.pk, actor=LIBRARIAN)

    assert Policy.objects.filter(pk=policy.pk).exists()


def test_category_without_a_policy__has_the_defaults() -> None:
    policy = PolicyFactory.create()
    reader = ReaderFactory.create(policy=policy)
    policy.delete()

    reservation = ReservationFactory.place(reader, BookFactory.create())

    assert reservation.state == State.ASSIGNED


def test_change_reservation__of_nothing__changes_nothing() -> None:
    reservation = ReservationFactory.place(ReaderFactory.create(), BookFactory.create())
    version = reservation.version

    same = ReservationFactory.step(services.change_reservation, reservation, changes={})

    assert same.version == version


def test_pickup_branch__moved_to_where_the_copy_stands__is_ready_where_the_policy_says_so() -> None:
    policy, there = PolicyFactory.create(shelve_immediately=True), BranchFactory.create()
    reader = ReaderFactory.create(policy=policy)
    reservation = ReservationFactory.place(reader, BookFactory.create(), library=there.code)
    assert reservation.state == State.ASSIGNED

    changed = ReservationFactory.step(
        services.change_reservation, reservation, changes={"pickup_branch": BranchFactory.main().code}
    )

    assert changed.state == State.READY


def test_explain__loan__says_whether_it_can_be_renewed() -> None:
    loan = ReservationFactory.borrowed()
    ReservationFactory.place(ReaderFactory.create(), loan.book)

    facts = queries.explain(reservation_id=loan.pk, actor=Actor(loan.reader_id, is_librarian=False), now=clock.now())

    refusals = [fact["reason_code"] for fact in facts if fact["code"] == "renewal.refused"]
    assert refusals == ["renewal.reader_waits"]

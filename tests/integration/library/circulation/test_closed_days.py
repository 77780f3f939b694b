"""What becomes of deadlines when a branch turns out to be closed on their day."""

import datetime as dt
from functools import partial
from typing import Any

import pytest

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.errors import BorrowingBlocked
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import State
from bookwell.library.circulation.tasks import expire_due, move_deadlines, remind_due
from bookwell.library.network.models import Branch, Closure
from bookwell.library.network.services import add_closure, change_branch, change_closure
from bookwell.library.plumbing.models import OutboxRow
from tests.factories import (
    LIBRARIAN,
    BookFactory,
    BranchFactory,
    PolicyFactory,
    ReaderFactory,
    ReservationFactory,
)
from tests.invariants import assert_invariants

pytestmark = pytest.mark.django_db

MONDAY = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def _end_of(day: int) -> dt.datetime:
    return dt.datetime(2026, 3, day, 23, 59, 59, tzinfo=dt.UTC)


def _ready_until(day: int, branch: Branch) -> Reservation:
    """On the hold shelf, to be picked up until a day of March."""
    policy = PolicyFactory.create(pickup_days=day - MONDAY.day)
    ready = ReservationFactory.ready(
        reader=ReaderFactory.create(policy=policy), book=BookFactory.create(branch=branch), now=MONDAY
    )
    assert ready.pickup_deadline_at == _end_of(day)
    return ready


def _lent_until(day: int, branch: Branch, **terms: Any) -> Reservation:
    policy = PolicyFactory.create(loan_days=day - MONDAY.day, **terms)
    loan = ReservationFactory.borrowed(
        reader=ReaderFactory.create(policy=policy), book=BookFactory.create(branch=branch), now=MONDAY
    )
    assert loan.due_at == _end_of(day)
    return loan


def _close(branch: Branch, *days: int) -> None:
    for day in days:
        run_in_transaction(partial(add_closure, branch=branch.code, closed_on=dt.date(2026, 3, day), actor_id=1))


def _told(reservation: Reservation) -> list[str]:
    rows = OutboxRow.objects.filter(aggregate=f"reservation:{reservation.pk}").order_by("aggregate_version")
    return [row.type.removeprefix("reservation.") for row in rows]


def test_closure__ready_copies_and_loans_of_that_day__move_to_the_next_open_one_and_are_told() -> None:
    branch = BranchFactory.create()
    ready, loan, other = _ready_until(9, branch), _lent_until(10, branch), _lent_until(8, branch)
    elsewhere = _lent_until(10, BranchFactory.create())
    _close(branch, 9, 10)

    moved = move_deadlines(now=MONDAY)

    for row in (ready, loan, other, elsewhere):
        row.refresh_from_db()
    assert moved == 2
    assert (ready.pickup_deadline_at, loan.due_at) == (_end_of(11), _end_of(11))
    assert (other.due_at, elsewhere.due_at) == (_end_of(8), _end_of(10))
    assert (_told(ready)[-1], _told(loan)[-1]) == ("pickup_moved", "due_moved")
    assert ready.next_reminder_at == dt.datetime(2026, 3, 10, 9, tzinfo=dt.UTC)
    assert loan.next_reminder_at == dt.datetime(2026, 3, 8, 9, tzinfo=dt.UTC)
    assert AuditEntry.objects.filter(object_id__in=[ready.pk, loan.pk], action__endswith="_moved").count() == 2
    assert_invariants([row.book_id for row in (ready, loan, other, elsewhere)], now=MONDAY)


def test_explain__deadline_has_moved__says_when_why_and_to_which() -> None:
    branch = BranchFactory.create()
    ready, loan = _ready_until(9, branch), _lent_until(10, branch)
    _close(branch, 9, 10)
    move_deadlines(now=MONDAY)
    ReservationFactory.step(services.renew, loan, now=MONDAY + 3 * DAY)

    told = {
        row.pk: [
            (fact["code"], fact["deadline_at"])
            for fact in queries.explain(reservation_id=row.pk, actor=LIBRARIAN, now=MONDAY)
            if fact["code"] in ("deadline.moved", "loan.renewed")
        ]
        for row in (ready, loan)
    }

    assert told == {
        ready.pk: [("deadline.moved", _end_of(11))],
        loan.pk: [("deadline.moved", _end_of(11)), ("loan.renewed", loan.due_at)],
    }


def test_move_deadlines__a_second_time__finds_nothing_to_look_at() -> None:
    branch = BranchFactory.create()
    _ready_until(9, branch)
    _close(branch, 9)
    move_deadlines(now=MONDAY)

    branch.refresh_from_db()
    assert branch.deadlines_version == branch.hours_version == 1
    assert move_deadlines(now=MONDAY) == 0


def test_move_deadlines__hours_change_while_it_runs__are_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    branch = BranchFactory.create()
    ready = _ready_until(9, branch)
    _close(branch, 9)
    move = services.move_deadline

    def move_while_another_day_closes(**options: Any) -> bool:
        monkeypatch.setattr(services, "move_deadline", move)
        was_moved = move(**options)
        add_closure(branch=branch.code, closed_on=dt.date(2026, 3, 10), actor_id=1)
        return was_moved

    monkeypatch.setattr(services, "move_deadline", move_while_another_day_closes)

    move_deadlines(now=MONDAY)
    move_deadlines(now=MONDAY)

    ready.refresh_from_db()
    assert ready.pickup_deadline_at == _end_of(11)


def test_weekdays__fewer__move_what_was_due_on_the_others() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(8, branch)  # a Sunday
    changes = {"open_weekdays": [1, 2, 3, 4, 5]}
    run_in_transaction(lambda: change_branch(branch_id=branch.pk, changes=changes, actor_id=1))

    move_deadlines(now=MONDAY)

    loan.refresh_from_db()
    assert loan.due_at == _end_of(9)


def test_closure__moved_to_another_day__moves_what_is_due_then() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(10, branch)
    closure = Closure.objects.create(branch=branch, closed_on=dt.date(2026, 3, 20))
    run_in_transaction(lambda: change_closure(closure_id=closure.pk, closed_on=dt.date(2026, 3, 10), actor_id=1))

    move_deadlines(now=MONDAY)

    loan.refresh_from_db()
    assert loan.due_at == _end_of(11)


def test_branch__renamed__leaves_deadlines_alone() -> None:
    branch = BranchFactory.create()

    run_in_transaction(lambda: change_branch(branch_id=branch.pk, changes={"position": 9}, actor_id=1))

    branch.refresh_from_db()
    assert branch.hours_version == 0


def test_flood__closed_when_the_deadline_passes__the_copy_stays_and_expires_after_an_open_day() -> None:
    branch = BranchFactory.create()
    ready = _ready_until(9, branch)
    heir = ReservationFactory.place(ReaderFactory.create(), ready.book, now=MONDAY)
    for day in (9, 10, 11):
        Closure.objects.create(branch=branch, closed_on=dt.date(2026, 3, day))  # nobody counted the version up

    expired = expire_due(now=_end_of(10))

    ready.refresh_from_db()
    assert (expired, ready.state, ready.pickup_deadline_at) == (0, State.READY, _end_of(12))
    assert _told(ready)[-1] == "pickup_moved"
    assert expire_due(now=_end_of(12)) == 1
    heir.refresh_from_db()
    assert heir.state == State.ASSIGNED


def test_expire__closed_on_the_day_but_open_since__is_over() -> None:
    branch = BranchFactory.create()
    ready = _ready_until(9, branch)
    _close(branch, 9)

    assert expire_due(now=_end_of(10)) == 1

    ready.refresh_from_db()
    assert ready.state == State.EXPIRED


def test_expire__branch_never_opens_again__is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookwell.library.network.rules.LONGEST_CLOSURE_DAYS", 2)
    branch = BranchFactory.create()
    ready = _ready_until(9, branch)
    _close(branch, *range(9, 13))

    assert move_deadlines(now=MONDAY) == 0
    assert expire_due(now=_end_of(9)) == 1

    ready.refresh_from_db()
    assert ready.state == State.EXPIRED


def test_overdue__branch_was_closed_on_the_day__the_date_moves_and_nobody_is_reminded() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(9, branch, reminder_days=0)
    for day in (9, 10, 11):
        Closure.objects.create(branch=branch, closed_on=dt.date(2026, 3, day))

    reminded = remind_due(now=_end_of(9) + DAY)

    loan.refresh_from_db()
    assert (reminded, loan.due_at) == (0, _end_of(12))
    assert _told(loan)[-1] == "due_moved"


def test_overdue__branch_has_been_closed_since__does_not_block_before_the_job_has_looked() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(9, branch)
    waiting = ReservationFactory.ready(reader=loan.reader, now=MONDAY)
    _close(branch, 9, 10, 11)
    flood, after = _end_of(9) + DAY / 2, _end_of(12) + DAY / 2

    assert ReservationFactory.place(loan.reader, BookFactory.create(), now=flood).state == State.ASSIGNED
    assert ReservationFactory.step(services.issue, waiting, now=flood).state == State.BORROWED
    with pytest.raises(BorrowingBlocked):
        ReservationFactory.place(loan.reader, BookFactory.create(), now=after)


def test_wish__of_a_closed_day_with_no_open_one_before__ends_on_the_next_open_one() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(20, branch)
    _close(branch, 2, 3)

    changed = ReservationFactory.step(
        services.change_reservation, loan, changes={"reserved_until": MONDAY + DAY}, now=MONDAY
    )

    assert changed.due_at == _end_of(4)


@pytest.mark.parametrize("until", [None, _end_of(25)])
def test_wish__taken_back_or_put_off__gives_the_policys_date_back(until: dt.datetime | None) -> None:
    loan = _lent_until(20, BranchFactory.create())
    early = ReservationFactory.step(
        services.change_reservation, loan, changes={"reserved_until": MONDAY + 3 * DAY}, now=MONDAY
    )
    assert early.due_at == MONDAY + 3 * DAY

    changed = ReservationFactory.step(
        services.change_reservation, early, changes={"reserved_until": until}, now=MONDAY + DAY
    )

    assert (changed.due_at, changed.reserved_until) == (_end_of(20), until)
    assert changed.next_reminder_at == dt.datetime(2026, 3, 17, 9, tzinfo=dt.UTC)


def test_wish__before_issue_taken_back_after__gives_the_policys_date_back() -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(loan_days=18))
    reservation = ReservationFactory.place(reader, BookFactory.create(), reserved_until=MONDAY + DAY, now=MONDAY)
    loan = ReservationFactory.step(services.issue, reservation, now=MONDAY)
    assert loan.due_at == MONDAY + DAY

    changed = ReservationFactory.step(services.change_reservation, loan, changes={"reserved_until": None}, now=MONDAY)

    assert changed.due_at == _end_of(20)


def test_wish__taken_back_when_the_policys_day_is_closed__ends_on_the_next_open_one() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(20, branch)
    ReservationFactory.step(services.change_reservation, loan, changes={"reserved_until": MONDAY + DAY}, now=MONDAY)
    _close(branch, 20)

    changed = ReservationFactory.step(services.change_reservation, loan, changes={"reserved_until": None}, now=MONDAY)

    assert changed.due_at == _end_of(21)


def test_wish__of_a_loan_from_before_the_policys_date_was_kept__never_lengthens_it() -> None:
    loan = _lent_until(20, BranchFactory.create())
    Reservation.objects.filter(pk=loan.pk).update(policy_due_at=None)

    changed = ReservationFactory.step(services.change_reservation, loan, changes={"reserved_until": None}, now=MONDAY)

    assert (changed.due_at, changed.policy_due_at) == (_end_of(20), _end_of(20))


def test_renew__due_on_a_day_that_is_closed_now__moves_on() -> None:
    branch = BranchFactory.create()
    loan = _lent_until(20, branch)
    _close(branch, 20)

    renewed = ReservationFactory.step(services.renew, loan, now=MONDAY)

    assert renewed.due_at == _end_of(21)


def _never_opens_again(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookwell.library.network.rules.LONGEST_CLOSURE_DAYS", 2)
    _close(branch, *range(2, 20))


def test_branch_closed_for_good__next_in_line_would_be_ready_there_at_once__the_claim_before_still_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branch, policy = BranchFactory.create(), PolicyFactory.create(shelve_immediately=True)
    ready = _ready_until(9, branch)
    heir = ReservationFactory.place(ReaderFactory.create(policy=policy), ready.book, library=branch.code, now=MONDAY)
    _never_opens_again(branch, monkeypatch)

    expired = expire_due(now=_end_of(9))

    ready.refresh_from_db()
    heir.refresh_from_db()
    assert (expired, ready.state) == (1, State.EXPIRED)
    assert (heir.state, heir.is_on_pull_list, heir.pickup_deadline_at) == (State.ASSIGNED, True, None)
    assert_invariants([ready.book_id], now=_end_of(9))


def test_branch_closed_for_good__a_loan_comes_back_there__is_kept_for_who_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    branch = BranchFactory.create()
    loan = _lent_until(9, branch)
    heir = ReservationFactory.place(ReaderFactory.create(), loan.book, library=branch.code, now=MONDAY)
    _never_opens_again(branch, monkeypatch)

    _, instruction = run_in_transaction(
        lambda: services.return_book(reservation_id=loan.pk, branch=branch.code, actor=LIBRARIAN, now=MONDAY)
    )

    loan.refresh_from_db()
    heir.refresh_from_db()
    assert (loan.state, heir.state) == (State.RETURNED, State.ASSIGNED)
    assert (instruction.action, instruction.reservation_id) == (services.Action.HOLD_SHELF, heir.pk)
    assert "does not open again" in instruction.detail
    moved = ReservationFactory.step(
        services.change_reservation, heir, changes={"pickup_branch": BranchFactory.main().code}, now=MONDAY
    )
    assert ReservationFactory.step(services.ship, moved, now=MONDAY).state == State.IN_TRANSIT

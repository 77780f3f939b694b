"""What readers are told of a reservation, and by which way."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bookwell.contracts.messages import Notice, ReservationFacts
from bookwell.kit import clock
from bookwell.library.circulation import services
from bookwell.library.circulation.models import Copy, Policy, Reservation
from bookwell.library.circulation.rules import Actor, CopyStatus, State
from bookwell.library.circulation.tasks import expire_due, remind_due
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
from tests.jobs import do_what_is_due
from tests.notices import notices_about

pytestmark = pytest.mark.django_db

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = dt.datetime(2026, 3, 2, 11, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def _told(reservation: Reservation) -> list[tuple[str, Notice]]:
    return notices_about(f"reservation:{reservation.pk}")


def _kinds(reservation: Reservation) -> list[str]:
    return [kind for kind, _ in _told(reservation)]


def _last(reservation: Reservation) -> tuple[str, Notice]:
    return _told(reservation)[-1]


def _facts(notice: Notice) -> ReservationFacts:
    return ReservationFacts.model_validate(notice.facts)


def _instant(at: dt.datetime | None) -> dt.datetime:
    assert at is not None
    return at


def _morning(at: dt.datetime | None, days: int = 0) -> dt.datetime:
    day = _instant(at).astimezone(WARSAW).date() + dt.timedelta(days=days)
    return dt.datetime.combine(day, dt.time(9), WARSAW)


def _loan(**terms: Any) -> Reservation:
    book = BookFactory.create(branch=BranchFactory.create(time_zone="Europe/Warsaw"))
    reader = ReaderFactory.create(policy=PolicyFactory.create(**terms))
    return ReservationFactory.borrowed(book=book, reader=reader, now=NOW)


def test_placed__with_all_copies_lent__tells_position_estimate_and_whose_time_it_is() -> None:
    branch = BranchFactory.create(time_zone="Europe/Warsaw")
    reader = ReaderFactory.create(home_branch=branch, language="pl", channels=["email", "sms"])
    loan = ReservationFactory.borrowed(book=BookFactory.create(title="Solaris", branch=branch), now=NOW)

    waiting = ReservationFactory.place(reader, loan.book, now=NOW)

    [(kind, notice)] = _told(waiting)
    assert (kind, notice.is_mandatory, notice.unsubscribe_url) == ("placed", False, None)
    assert notice.recipient.model_dump() == {
        "reference": f"user:{reader.pk}",
        "name": reader.username,
        "email": reader.email,
        "phone": "",
        "language": "pl",
        "channels": ("email", "sms"),
    }
    facts = _facts(notice)
    assert (facts.state, facts.title, facts.position) == ("waiting", "Solaris", 1)
    assert (facts.branch, facts.time_zone) == (branch.name, "Europe/Warsaw")
    assert facts.estimated_ready_on == _instant(loan.due_at).date()


@pytest.mark.parametrize("is_asked", [False, True])
def test_placed__with_a_free_copy__tells_the_branch_and_its_time(is_asked: bool) -> None:
    branch = BranchFactory.create(time_zone="Europe/Warsaw")
    asked = {"library": branch.code} if is_asked else {}

    assigned = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(branch=branch), now=NOW, **asked)

    facts = _facts(_last(assigned)[1])
    assert (facts.state, facts.position) == ("assigned", None)
    assert (facts.branch, facts.time_zone) == (branch.name, "Europe/Warsaw")


def test_placed__and_ready_at_once__tells_ready_and_reminds_later() -> None:
    branch = BranchFactory.create(time_zone="Europe/Warsaw")
    reader = ReaderFactory.create(policy=PolicyFactory.create(shelve_immediately=True))

    ready = ReservationFactory.place(reader, BookFactory.create(branch=branch), now=NOW)

    [(kind, notice)] = _told(ready)
    assert (kind, notice.is_mandatory, notice.expires_at) == ("ready", True, ready.pickup_deadline_at)
    assert _facts(notice).pickup_deadline_at == ready.pickup_deadline_at
    assert ready.next_reminder_at == _morning(ready.pickup_deadline_at, -1)


def test_story__reserve_shelve_remind_expire_next_reader__tells_each_once() -> None:
    book = BookFactory.create(branch=BranchFactory.create(time_zone="Europe/Warsaw"))
    first = ReservationFactory.place(ReaderFactory.create(), book, now=NOW)
    second = ReservationFactory.place(ReaderFactory.create(), book, now=NOW)
    ReservationFactory.step(services.shelve, first, now=NOW)

    for hours in range(0, 24 * 10, 6):
        do_what_is_due(now=NOW + dt.timedelta(hours=hours))

    first.refresh_from_db()
    assert first.state == State.EXPIRED
    assert _kinds(first) == ["placed", "ready", "pickup_reminder", "expired"]
    assert _kinds(second) == ["placed", "assigned"]
    reminder, expired = (notice for _, notice in _told(first)[2:])
    assert (reminder.is_mandatory, reminder.expires_at) == (False, first.pickup_deadline_at)
    assert (expired.is_mandatory, expired.expires_at, _facts(expired).was_ready) == (True, None, True)
    assert_invariants([book.pk], now=NOW + 10 * DAY)


@pytest.mark.parametrize(("is_own", "by"), [(True, "reader"), (False, "library")])
def test_cancelled__tells_by_whom_and_why(is_own: bool, by: str) -> None:
    ready = ReservationFactory.ready(now=NOW)
    actor = Actor(ready.reader_id, is_librarian=False) if is_own else Actor(987_654, is_librarian=True)

    services.cancel_reservation(reservation_id=ready.pk, actor=actor, now=NOW, reason="no: time")

    kind, notice = _last(ready)
    facts = _facts(notice)
    assert (kind, facts.ended_by, facts.reason, facts.was_ready) == ("cancelled", by, "no: time", True)
    assert notice.is_mandatory == (by == "library")


def test_cancelled__while_waiting_without_a_reason__says_so() -> None:
    waiting = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0), now=NOW)

    ReservationFactory.step(services.cancel_reservation, waiting)

    facts = _facts(_last(waiting)[1])
    assert (facts.was_ready, facts.ended_by, facts.reason) == (False, "library", "")


def test_loan__is_reminded_of_before_and_ever_more_rarely_after() -> None:
    loan = _loan(loan_days=10, reminder_days=2)
    due = _instant(loan.due_at)
    assert loan.next_reminder_at == _morning(due, -2)

    for day in range(70):
        do_what_is_due(now=_morning(NOW, day) + dt.timedelta(minutes=1))

    told = [(kind, notice.is_mandatory, notice.expires_at) for kind, notice in _told(loan)[3:]]
    assert told == [
        ("due_soon", False, due),
        ("overdue", True, _morning(due, 4)),
        ("overdue", True, _morning(due, 11)),
        ("overdue", True, _morning(due, 25)),
        ("overdue", True, _morning(due, 53)),
        ("overdue", True, _morning(due, 81)),
    ]
    assert_invariants([loan.book_id], now=NOW + 70 * DAY)


def test_reminder__run_twice_at_once__is_told_once() -> None:
    loan = _loan()
    at = _instant(loan.next_reminder_at)

    numbers = [remind_due(now=at - dt.timedelta(seconds=1)), remind_due(now=at), remind_due(now=at)]

    assert numbers == [0, 1, 0]
    assert _kinds(loan).count("due_soon") == 1


@pytest.mark.parametrize("verb", [services.return_book, services.renew])
def test_reminder__of_a_loan_that_came_back_or_was_renewed__is_not_told(verb: object) -> None:
    loan = _loan()
    at = _instant(loan.next_reminder_at)
    ReservationFactory.step(verb, loan, now=at - DAY)

    remind_due(now=at)

    assert "due_soon" not in _kinds(loan)
    assert loan.next_reminder_at == (None if verb is services.return_book else _morning(loan.due_at, -3))


def test_reminder__of_a_loan_that_is_wished_shorter__comes_earlier() -> None:
    loan = _loan()
    sooner = _instant(loan.due_at) - 7 * DAY

    ReservationFactory.step(services.change_reservation, loan, changes={"reserved_until": sooner}, now=NOW)

    assert loan.next_reminder_at == _morning(sooner, -3)


def test_reminder__of_a_copy_whose_deadline_has_passed__is_left_to_the_expiry() -> None:
    ready = ReservationFactory.ready(now=NOW)
    late = _instant(ready.pickup_deadline_at)

    assert (remind_due(now=late), expire_due(now=late), remind_due(now=late)) == (0, 1, 0)

    ready.refresh_from_db()
    assert (ready.state, ready.next_reminder_at) == (State.EXPIRED, None)


def test_reminder__to_who_wants_none__has_no_way_to_go_but_overdue_has() -> None:
    loan = _loan()
    loan.reader.wants_reminders = False
    loan.reader.save()
    before, after = _instant(loan.next_reminder_at), _morning(loan.due_at, 1)

    do_what_is_due(now=before)
    do_what_is_due(now=after)

    (_, soon), (_, overdue) = _told(loan)[-2:]
    assert (soon.is_mandatory, soon.recipient.channels) == (False, ())
    assert (overdue.is_mandatory, overdue.recipient.channels) == (True, ("email",))


def test_reminder__has_a_link_to_end_them_and_nothing_else_has() -> None:
    loan = _loan()
    do_what_is_due(now=_instant(loan.next_reminder_at))
    do_what_is_due(now=_morning(loan.due_at, 1))

    linked = {kind for kind, notice in _told(loan) if notice.unsubscribe_url}

    assert linked == {"due_soon"}
    assert _told(loan)[-1][0] == "overdue"


def test_every_other_change__has_the_same_shape() -> None:
    far = BranchFactory.create()
    travelling = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(), library=far.code)
    ReservationFactory.step(services.ship, travelling)
    ReservationFactory.step(services.receive, travelling)
    ReservationFactory.step(services.issue, travelling)
    ReservationFactory.step(services.renew, travelling)
    ReservationFactory.step(services.return_book, travelling)
    waiting = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0))
    for changes in (
        {"suspended_until": clock.now() + DAY},
        {"suspended_until": None},
        {"reserved_until": clock.now() + DAY},
        {"pickup_branch": far.code},
    ):
        ReservationFactory.step(services.change_reservation, waiting, changes=changes)

    assert _kinds(travelling) == ["placed", "in_transit", "ready", "borrowed", "renewed", "returned"]
    assert _kinds(waiting) == ["placed", "suspended", "resumed", "reserved_until_changed", "pickup_branch_changed"]
    assert [notice.is_mandatory for _, notice in _told(travelling)] == [False, False, True, False, False, False]


def test_reminder__of_a_policy_of_the_branch__comes_by_its_days() -> None:
    policy, branch = PolicyFactory.create(reminder_days=3), BranchFactory.create(time_zone="Europe/Warsaw")
    Policy.objects.create(category=policy.category, branch=branch, reminder_days=5)
    book = BookFactory.create(branch=branch)

    loan = ReservationFactory.borrowed(book=book, reader=ReaderFactory.create(policy=policy), now=NOW)

    assert loan.next_reminder_at == _morning(loan.due_at, -5)


@pytest.mark.parametrize("status", [CopyStatus.LOST, CopyStatus.IN_REPAIR])
def test_not_ready__the_copy_that_lay_there_is_taken_away__is_told_with_its_former_deadline(status: CopyStatus) -> None:
    ready = ReservationFactory.ready(now=NOW)
    barcode = Copy.objects.get(book_id=ready.book_id).barcode

    services.change_copy(barcode=barcode, changes={"status": status}, actor=LIBRARIAN, now=NOW)

    kind, notice = _last(ready)
    facts = _facts(notice)
    assert (kind, notice.is_mandatory, notice.expires_at) == ("not_ready", True, None)
    assert (facts.state, facts.was_ready, facts.pickup_deadline_at) == ("waiting", True, ready.pickup_deadline_at)


def test_not_ready__the_copy_turns_up_at_another_branch__is_told_and_ready_again_once_it_is_there() -> None:
    ready, elsewhere = ReservationFactory.ready(now=NOW), BranchFactory.create()

    services.check_in(barcode=barcode_of(ready), branch=elsewhere.code, actor=LIBRARIAN, now=NOW)

    kind, notice = _last(ready)
    facts = _facts(notice)
    assert (kind, notice.is_mandatory, notice.expires_at) == ("not_ready", True, None)
    assert (facts.state, facts.was_ready, facts.pickup_deadline_at) == ("in_transit", True, ready.pickup_deadline_at)
    ReservationFactory.step(services.receive, ready, now=NOW)
    assert _last(ready)[0] == "ready"


def test_not_ready__nobody_was_told_that_it_is__is_told_to_nobody() -> None:
    assigned = ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=1), now=NOW)
    barcode = Copy.objects.get(book_id=assigned.book_id).barcode

    services.change_copy(barcode=barcode, changes={"status": CopyStatus.LOST}, actor=LIBRARIAN, now=NOW)

    assert _kinds(assigned) == ["placed", "waiting"]  # of which the contract knows no message

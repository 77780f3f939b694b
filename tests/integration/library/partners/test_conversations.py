"""One conversation a hold at a time: while it lasts, after it failed, after whoever led it was killed."""

import datetime as dt

import httpx2
import pytest

from bookwell.contracts.messages import NOTICES, ReservationFacts
from bookwell.contracts.partners import HoldState, HoldStatus
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.messaging import NotNow
from bookwell.kit.request_context import in_trace
from bookwell.library.accounts.models import User
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.models import PartnerHold, Reservation
from bookwell.library.circulation.partner_rules import GONE_AFTER, UNLISTED_AFTER
from bookwell.library.circulation.partner_tasks import poll_due, refresh_due, run_errands
from bookwell.library.circulation.queries.explain import explain
from bookwell.library.circulation.queries.partners import list_unchecked_books
from bookwell.library.circulation.rules import Actor
from bookwell.library.circulation.services import PartnerChoice
from bookwell.library.circulation.tasks import remind_due
from bookwell.library.partners.models import PartnerAnswer
from bookwell.library.plumbing.models import OutboxRow
from tests.errands import envelopes_about, handle_errands, pending, run_errands_once
from tests.factories import LIBRARIAN, BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.fake_gateway import ISBN, PARTNER, FakeGateway
from tests.notices import notice_of
from tests.people import make_user

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """The worker's end, at whatever line it was."""


@pytest.fixture
def reader() -> User:
    BranchFactory.main()
    return make_user(category_id=PolicyFactory.create(reminder_days=3).category_id)


@pytest.fixture
def reservation(gateway: FakeGateway, reader: User) -> Reservation:
    """Requested from a partner; nobody has asked it yet."""
    return _requested(reader, ISBN)


def _requested(reader: User, isbn: str) -> Reservation:
    book = BookFactory.create(copies=0, isbn=isbn)
    return run_in_transaction(
        lambda: services.place_at_partner(
            reader_id=reader.pk,
            book_id=book.pk,
            choice=PartnerChoice(PARTNER, isbn, takes_holds=True, has_said_no=False),
            actor=Actor(reader.pk, is_librarian=False),
            now=clock.now(),
        )
    )


def _hold(reservation: Reservation) -> PartnerHold:
    return PartnerHold.objects.get(pk=reservation.pk)


def _accepted(reservation: Reservation) -> None:
    run_errands_once()
    reservation.refresh_from_db()
    assert reservation.state == "accepted"


def _cancel(reservation: Reservation) -> None:
    reader = Actor(reservation.reader_id, is_librarian=False)
    run_in_transaction(
        lambda: services.cancel_reservation(reservation_id=reservation.pk, actor=reader, now=clock.now())
    )


def _poll(reservation: Reservation) -> int:
    PartnerHold.objects.filter(pk=reservation.pk).update(poll_at=clock.now())
    number = poll_due(now=clock.now())
    reservation.refresh_from_db()
    return number


def _tell(gateway: FakeGateway, reservation: Reservation, state: HoldStatus, **more: dt.datetime) -> None:
    ref = f"reservation:{reservation.pk}"
    gateway.holds[ref] = HoldState(ref=ref, state=state, **more)
    assert _poll(reservation) == 1


def _run_out(reservation: Reservation) -> None:
    """Whoever talked is out of time."""
    PartnerHold.objects.filter(pk=reservation.pk).update(asking_until=clock.now())


def test_place__the_partner_and_what_is_told_of_its_answer__are_in_the_trace_of_the_request(
    gateway: FakeGateway, reader: User
) -> None:
    with in_trace(f"00-{'a' * 32}-{'b' * 16}-01"):
        reservation = _requested(reader, ISBN)

    _accepted(reservation)

    told = OutboxRow.objects.get(type="reservation.partner_accepted").traceparent
    spans = [gateway.traces[-1], told]
    assert [span[3:35] for span in spans] == ["a" * 32] * 2
    assert spans[0] != f"00-{'a' * 32}-{'b' * 16}-01"


def test_errand__while_another_worker_asks__waits_and_asks_nobody(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    errands, reasons = envelopes_about(reservation.pk), []

    def second_worker() -> None:
        with pytest.raises(NotNow) as refused:
            run_errands(errands)
        reasons.append(str(refused.value))

    gateway.meanwhile = second_worker
    run_errands(errands)

    assert reasons == ["hold_unsettled"]
    assert (len(gateway.placed), gateway.most_in_flight) == (1, 1)
    assert _hold(reservation).asking_until is None


def test_bundle__partner_is_silent_about_one__the_others_are_asked_for_once(gateway: FakeGateway, reader: User) -> None:
    reservations = [_requested(reader, isbn) for isbn in _ISBNS[:3]]
    errands = [envelopes_about(one.pk)[0] for one in reservations]
    gateway.meanwhile = lambda: setattr(gateway, "loses_answers", int(len(gateway.seen) == 2))

    handle_errands(errands)

    states = [Reservation.objects.get(pk=one.pk).state for one in reservations]
    assert states == ["accepted", "requested", "accepted"]
    assert [hold["isbn"] for hold in gateway.placed] == list(_ISBNS[:3])
    assert pending() == ["partner.place_hold"]


def test_cancel__while_another_worker_cancels__waits(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    _cancel(reservation)
    errands = [one for one in envelopes_about(reservation.pk) if one.type == "partner.cancel_hold"]

    def second_worker() -> None:
        with pytest.raises(NotNow, match="hold_unsettled"):
            run_errands(errands)

    gateway.meanwhile = second_worker
    run_errands(errands)

    assert gateway.most_in_flight == 1
    assert [call.partition(" ")[0] for call in gateway.seen].count("DELETE") == 1
    assert _hold(reservation).asking_until is None


def test_poll__while_a_worker_cancels__looks_at_nothing(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    _cancel(reservation)
    numbers = list[int]()
    gateway.meanwhile = lambda: numbers.append(_poll(reservation))

    run_errands_once()

    assert (numbers, gateway.most_in_flight) == ([0], 1)


def test_errand__answer_is_late__nobody_asks_until_the_call_must_be_over(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    gateway.loses_answers, gateway.lost_by = 1, httpx2.ReadTimeout

    run_errands_once()
    run_errands_once()

    assert (len(gateway.placed), pending()) == (1, ["partner.place_hold"])
    _run_out(reservation)
    _accepted(reservation)
    assert len(gateway.holds) == 1


def test_errand__connection_is_lost__is_asked_again_at_once(gateway: FakeGateway, reservation: Reservation) -> None:
    gateway.loses_answers = 1
    run_errands_once()

    _accepted(reservation)

    assert (len(gateway.placed), len(gateway.holds)) == (2, 1)


def test_errand__worker_is_killed_while_it_asks__is_taken_over_after_its_time(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    gateway.loses_answers, gateway.lost_by = 1, Killed
    with pytest.raises(Killed):
        run_errands_once()

    run_errands_once()
    until = _hold(reservation).asking_until
    assert until is not None
    assert until > clock.now() + dt.timedelta(seconds=15)
    assert len(gateway.placed) == 1

    _run_out(reservation)
    _accepted(reservation)
    assert {hold["reference"] for hold in gateway.placed} == {f"reservation:{reservation.pk}"}
    assert len(gateway.holds) == 1


def test_late_word__of_a_worker_that_was_taken_over__ends_nobody_elses_conversation(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    now, hour = clock.now(), dt.timedelta(hours=1)
    begin = services.begin_hold
    run_in_transaction(lambda: begin(reservation_id=reservation.pk, until=now, now=now - hour))
    run_in_transaction(lambda: begin(reservation_id=reservation.pk, until=now + hour, now=now))
    told = HoldState(ref="mine", state=HoldStatus.ACCEPTED)

    run_in_transaction(lambda: services.record_hold(reservation_id=reservation.pk, told=told, asked_until=now, now=now))

    assert _hold(reservation).asking_until == now + hour


def test_missing_partner__for_less_than_a_day__waits_for_it(gateway: FakeGateway, reservation: Reservation) -> None:
    gateway.is_unconfigured = True
    run_errands_once()
    assert _hold(reservation).missing_since is not None

    gateway.is_unconfigured = False
    _accepted(reservation)
    assert _hold(reservation).missing_since is None


def _missing_for_a_day(gateway: FakeGateway, reservation: Reservation) -> None:
    gateway.is_unconfigured = True
    PartnerHold.objects.filter(pk=reservation.pk).update(missing_since=clock.now() - GONE_AFTER)


def test_missing_partner__for_a_day__refuses_and_tells_the_reader(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _missing_for_a_day(gateway, reservation)

    run_errands_once()
    run_errands_once()

    reservation.refresh_from_db()
    assert (reservation.state, reservation.reason, pending()) == ("refused", "partner_gone", [])
    notice = notice_of(OutboxRow.objects.get(type="reservation.partner_refused"))
    assert (notice.facts["reason"], notice.is_mandatory) == ("partner_gone", True)
    entries = AuditEntry.objects.filter(object_type="reservation", object_id=reservation.pk).order_by("pk")
    assert [entry.action for entry in entries] == ["reservation.requested", "reservation.refused"]


def test_explain__partner_is_gone__says_so(gateway: FakeGateway, reservation: Reservation) -> None:
    _missing_for_a_day(gateway, reservation)
    run_errands_once()

    facts = explain(reservation_id=reservation.pk, actor=LIBRARIAN, now=clock.now())

    assert [fact["code"] for fact in facts] == ["state", "partner.gone"]
    assert PARTNER in facts[1]["detail"]


def test_missing_partner__of_an_accepted_hold__ends_it_too(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    _missing_for_a_day(gateway, reservation)

    _poll(reservation)

    assert (reservation.state, reservation.reason) == ("refused", "partner_gone")
    assert _hold(reservation).poll_at is None


def test_missing_partner__of_a_loan__leaves_it_to_the_reader(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    _tell(gateway, reservation, HoldStatus.BORROWED)
    _missing_for_a_day(gateway, reservation)

    _poll(reservation)

    assert reservation.state == "borrowed"


def test_missing_partner__of_a_hold_that_was_cancelled_before_its_answer__asks_no_more(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    gateway.loses_answers = 1
    run_errands_once()
    _cancel(reservation)
    gateway.is_unconfigured = True
    run_errands_once()
    assert pending() == ["partner.place_hold"]

    _missing_for_a_day(gateway, reservation)
    run_errands_once()
    run_errands_once()

    assert pending() == []
    reservation.refresh_from_db()
    assert reservation.state == "cancelled"


def test_missing_partner__of_a_hold_to_take_back__asks_no_more(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    _cancel(reservation)
    _missing_for_a_day(gateway, reservation)

    run_errands_once()
    run_errands_once()

    assert pending() == []
    entry = AuditEntry.objects.get(action="reservation.hold_kept", object_id=reservation.pk)
    assert "partner_gone" in entry.data


def _reminder(reservation: Reservation) -> str:
    """What the reader is reminded of at the next time."""
    at = reservation.next_reminder_at
    assert at is not None
    remind_due(now=at)
    row = OutboxRow.objects.filter(aggregate=f"reservation:{reservation.pk}", queue="mail").latest("pk")
    facts = notice_of(row).facts
    assert (facts["branch"], facts["at_partner"]) == (PARTNER, True)
    reservation.refresh_from_db()
    return row.type.partition(".")[2]


def test_ready__partner_tells_until_when__is_reminded_of_as_of_ours(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _accepted(reservation)
    deadline, days = clock.now() + dt.timedelta(days=6), dt.timedelta(days=2)

    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=deadline)
    first = reservation.next_reminder_at
    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=deadline + days)

    assert first is not None
    assert reservation.next_reminder_at is not None
    assert reservation.next_reminder_at.date() - first.date() == days
    assert _reminder(reservation) == "pickup_reminder"
    assert reservation.next_reminder_at is None


_NOON = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)


def _noon(days: int) -> dt.datetime:
    """In so many days, far from the end of any day here."""
    return _NOON + dt.timedelta(days=days)


def _told(reservation: Reservation) -> list[OutboxRow]:
    rows = OutboxRow.objects.filter(aggregate=f"reservation:{reservation.pk}", queue="mail")
    return [row for row in rows.order_by("aggregate_version") if row.type in NOTICES]


def test_ready__partner_moves_the_last_day__reader_hears_of_each_once(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _accepted(reservation)

    for days in (6, 6, 9, 9, 4, 4):
        _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=_noon(days))

    *_, ready, later, sooner = _told(reservation)
    assert [row.type.partition(".")[2] for row in (ready, later, sooner)] == [
        "partner_ready",
        "pickup_moved",
        "pickup_moved",
    ]
    for row, days in ((ready, 6), (later, 9), (sooner, 4)):
        notice = notice_of(row)
        assert notice.is_mandatory
        assert notice.expires_at == _noon(days)
        facts = ReservationFacts.model_validate(notice.facts)
        assert (facts.pickup_deadline_at, facts.branch, facts.at_partner) == (_noon(days), PARTNER, True)


def test_ready__partner_has_it_ready_no_more__reader_hears_so_and_when_it_is_again(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _accepted(reservation)
    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=_noon(6))

    _tell(gateway, reservation, HoldStatus.ACCEPTED)
    assert (reservation.state, reservation.pickup_deadline_at) == ("ready", _noon(6))  # it may be an old list
    PartnerHold.objects.update(unlisted_since=clock.now() - UNLISTED_AFTER)
    _tell(gateway, reservation, HoldStatus.ACCEPTED)

    assert reservation.state == "accepted"
    assert [reservation.ready_at, reservation.pickup_deadline_at, reservation.next_reminder_at] == [None] * 3
    told = _told(reservation)[-1]
    assert (told.type, notice_of(told).is_mandatory) == ("reservation.not_ready", True)
    assert ReservationFacts.model_validate(notice_of(told).facts).was_ready
    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=_noon(9))
    assert (reservation.state, _told(reservation)[-1].type) == ("ready", "reservation.partner_ready")


def test_ready__one_old_list__is_no_news(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    _tell(gateway, reservation, HoldStatus.READY)
    before = reservation.version

    for state in (HoldStatus.ACCEPTED, HoldStatus.READY, HoldStatus.ACCEPTED):
        _tell(gateway, reservation, state)

    assert (reservation.state, reservation.version) == ("ready", before)
    assert _hold(reservation).unlisted_since is not None


def test_ready__partner_names_the_last_day_later__reader_hears_of_it(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _accepted(reservation)
    _tell(gateway, reservation, HoldStatus.READY)

    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=_noon(6))
    _tell(gateway, reservation, HoldStatus.READY)

    assert _told(reservation)[-1].type == "reservation.pickup_moved"
    assert reservation.pickup_deadline_at == _noon(6)


def test_ready__partner_reckons_the_deadline_anew_each_time__reader_hears_of_none(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _accepted(reservation)

    for minutes in range(3):
        at = _noon(6) + dt.timedelta(minutes=minutes)
        _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=at)

    assert _told(reservation)[-1].type == "reservation.partner_ready"
    assert reservation.pickup_deadline_at == at


def test_loan__partner_moves_its_end__reader_hears_of_it_once(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)

    for days in (20, 27, 27):
        _tell(gateway, reservation, HoldStatus.BORROWED, due_at=_noon(days))

    *_, accepted, moved = _told(reservation)
    assert (accepted.type, moved.type) == ("reservation.partner_accepted", "reservation.due_moved")
    assert ReservationFacts.model_validate(notice_of(moved).facts).due_at == _noon(27)


def test_loan__partner_tells_when_it_is_due__is_reminded_of_as_of_ours(
    gateway: FakeGateway, reservation: Reservation
) -> None:
    _accepted(reservation)
    due = clock.now() + dt.timedelta(days=20)
    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=due)

    first = reservation.next_reminder_at
    reminders = [_reminder(reservation), _reminder(reservation)]

    assert first is not None
    assert due.date() - first.date() == dt.timedelta(days=3)
    assert reminders == ["due_soon", "overdue"]


def test_loan__partner_moves_its_end__is_reminded_of_later(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)
    due, days = clock.now() + dt.timedelta(days=20), dt.timedelta(days=7)
    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=due)
    before = reservation.next_reminder_at

    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=due + days)

    assert before is not None
    assert reservation.next_reminder_at is not None
    assert (reservation.next_reminder_at.date() - before.date()) == days


def test_loan__nobody_knows_when_it_is_due__is_not_reminded_of(gateway: FakeGateway, reservation: Reservation) -> None:
    _accepted(reservation)

    _tell(gateway, reservation, HoldStatus.BORROWED)
    assert (reservation.state, reservation.next_reminder_at) == ("borrowed", None)

    _tell(gateway, reservation, HoldStatus.RETURNED)
    assert reservation.next_reminder_at is None


def test_unchecked_books__come_in_the_order_of_their_last_time(gateway: FakeGateway) -> None:
    now, hour = clock.now(), dt.timedelta(hours=1)
    recent, old, new = (BookFactory.create(copies=0, isbn=isbn) for isbn in _ISBNS[:3])
    for book in (recent, old, new):
        ReservationFactory.place(ReaderFactory.create(), book)
    _checked(recent, now - hour, "library 2")
    _checked(old, now - 9 * hour, "library 2")
    _checked(old, now - 2 * hour, "library 3")

    due = list_unchecked_books(since=now - hour / 2, limit=9)

    assert [book_id for book_id, _ in due] == [new.pk, old.pk, recent.pk]
    assert list_unchecked_books(since=now - 3 * hour, limit=9) == [(new.pk, new.isbn)]


@pytest.mark.parametrize(("failing", "asked"), [(1, 3), (3, 0)])
def test_refresh__no_answer_about_one_book__goes_on_unless_there_is_none_about_any(
    gateway: FakeGateway, failing: int, asked: int
) -> None:
    gateway.fails_for = frozenset(_ISBNS[:failing])
    for isbn in _ISBNS:
        ReservationFactory.place(ReaderFactory.create(), BookFactory.create(copies=0, isbn=isbn))

    assert refresh_due(now=clock.now()) == asked


_ISBNS = ("9780261103573", "9780439023481", "9780306406157", "9780261102217")


def _checked(book: Book, at: dt.datetime, partner: str) -> None:
    PartnerAnswer.objects.create(book=book, partner=partner, content={}, checked_at=at)

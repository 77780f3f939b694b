"""Reservations at a partner, from the click to the book's return, with a partners service in memory."""

import datetime as dt
import json

import pytest
import time_machine

from bookwell.contracts.partners import HoldState, HoldStatus
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import User
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation import services
from bookwell.library.circulation.errors import OpenLoans, WrongState
from bookwell.library.circulation.models import Holding, PartnerHold, Reservation
from bookwell.library.circulation.partner_tasks import poll_due
from bookwell.library.circulation.queries.readers import list_open_ids
from bookwell.library.circulation.tasks import expire_due
from bookwell.library.network.models import Branch
from bookwell.library.plumbing.models import OutboxRow
from tests.errands import envelopes_about, handle_errands, pending, run_errands_once
from tests.factories import LIBRARIAN, BookFactory, BranchFactory, PolicyFactory, ReservationFactory
from tests.fake_gateway import ISBN, PARTNER, FakeGateway
from tests.notices import notice_of
from tests.people import Api, api_as, make_user

pytestmark = pytest.mark.django_db

SOON = dt.timedelta(minutes=2)
_DAY = dt.timedelta(days=1)
_SOME_MINUTES = dt.timedelta(minutes=4)


@pytest.fixture
def reader() -> User:
    BranchFactory.main()
    return make_user(category_id=PolicyFactory.create(max_open_reservations=2).category_id)


@pytest.fixture
def api(reader: User) -> Api:
    return api_as(reader)


@pytest.fixture
def book() -> Book:
    return BookFactory.create(copies=0, isbn=ISBN)


def _place(api: Api, book: Book, library: str = PARTNER) -> Reservation:
    answer = api.post("/api/reservations/", {"book_id": book.pk, "library": library})
    assert answer.status_code == 201, answer.content
    return Reservation.objects.get(pk=answer.json()["id"])


def _kinds(reservation: Reservation) -> list[str]:
    rows = OutboxRow.objects.filter(aggregate=f"reservation:{reservation.pk}", queue="mail")
    return [row.type.partition(".")[2] for row in rows.order_by("aggregate_version")]


def _tell(gateway: FakeGateway, reservation: Reservation, state: HoldStatus, **more: dt.date) -> None:
    """The partner says so, and the library's next poll hears it."""
    ref = f"reservation:{reservation.pk}"
    gateway.holds[ref] = HoldState(ref=ref, state=state, **more)
    PartnerHold.objects.filter(pk=reservation.pk).update(poll_at=clock.now())
    poll_due(now=clock.now())
    reservation.refresh_from_db()


def _unlist(gateway: FakeGateway, reservation: Reservation) -> None:
    """The partner does not list it, and the library's next poll hears that."""
    ref = f"reservation:{reservation.pk}"
    gateway.holds[ref] = HoldState(ref=ref, state=HoldStatus.UNKNOWN, reason="not_listed")
    PartnerHold.objects.filter(pk=reservation.pk).update(poll_at=clock.now())
    poll_due(now=clock.now())
    reservation.refresh_from_db()


def test_place__at_a_partner__is_requested_with_neither_copy_nor_queue(
    gateway: FakeGateway, api: Api, reader: User
) -> None:
    book = BookFactory.create(copies=1, isbn=ISBN)

    answer = api.post("/api/reservations/", {"book_id": book.pk, "library": PARTNER})

    shape = answer.json()
    assert answer.status_code == 201
    assert (shape["state"], shape["library"], shape["partner"]) == ("requested", PARTNER, PARTNER)
    assert (shape["copy"], shape["position"], shape["version"]) == (None, None, 1)
    holding = Holding.objects.get(pk=book.pk)
    assert (holding.copies_available, holding.queue_length) == (1, 0)
    assert pending() == ["partner.place_hold"]
    told = OutboxRow.objects.get(aggregate=f"reservation:{shape['id']}", queue="mail")
    kind, notice = told.type.partition(".")[2], notice_of(told)
    assert (kind, notice.facts["branch"]) == ("partner_requested", PARTNER)
    assert AuditEntry.objects.filter(action="reservation.requested", object_id=shape["id"]).count() == 1


def test_place__nothing_is_asked_of_a_partner_inside_the_request_but_its_availability(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    _place(api, book)

    assert gateway.seen == [f"GET /books/{ISBN}/availability?partner={PARTNER}"]


@pytest.mark.parametrize("state", ["available", "unknown"])
def test_place__partner_has_not_said_no__is_placed(gateway: FakeGateway, api: Api, book: Book, state: str) -> None:
    gateway.state = state  # type: ignore[assignment]

    assert _place(api, book).state == "requested"


def test_place__partners_service_is_down__is_placed(gateway: FakeGateway, api: Api, book: Book) -> None:
    gateway.is_down = True

    assert _place(api, book).state == "requested"


def test_place__partner_has_just_said_no__is_refused_and_nothing_changed(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    gateway.state = "unavailable"  # type: ignore[assignment]

    answer = api.post("/api/reservations/", {"book_id": book.pk, "library": PARTNER})

    assert (answer.status_code, answer.json()["code"]) == (409, "partner.unavailable")
    assert not Reservation.objects.exists()
    assert not OutboxRow.objects.filter(queue="library").exists()


@pytest.mark.parametrize(
    ("library", "isbn", "status", "code"),
    [
        ("library 9", ISBN, 409, "partner.takes_no_holds"),
        (PARTNER, None, 409, "partner.book_without_isbn"),
        ("library 77", ISBN, 422, "library.unknown"),
    ],
)
def test_place__partner_that_cannot_be_asked__is_refused(
    gateway: FakeGateway, api: Api, library: str, isbn: str | None, status: int, code: str
) -> None:
    book = BookFactory.create(copies=0, isbn=isbn)

    answer = api.post("/api/reservations/", {"book_id": book.pk, "library": library})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Reservation.objects.exists()


def test_place__a_branch_of_a_partners_name__is_the_branch(gateway: FakeGateway, api: Api, book: Book) -> None:
    branch = BranchFactory.create(name=PARTNER)

    reservation = _place(api, book)

    assert (reservation.state, reservation.pickup_branch_id) == ("waiting", branch.pk)


def test_place__same_book_again__is_refused_as_at_a_branch(gateway: FakeGateway, api: Api, book: Book) -> None:
    _place(api, book)

    answer = api.post("/api/reservations/", {"book_id": book.pk, "library": PARTNER})

    assert answer.json()["code"] == "reservation.exists"


def test_place__limit_reached__counts_those_at_partners(gateway: FakeGateway, api: Api, book: Book) -> None:
    _place(api, book)
    _place(api, BookFactory.create(), library="main")
    other = BookFactory.create(copies=0, isbn="9780439023481")
    answer = api.post("/api/reservations/", {"book_id": other.pk, "library": PARTNER})

    assert answer.json()["code"] == "reservation.limit_reached"


def test_worker__places_the_hold_once_whatever_is_repeated(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)

    run_errands_once()
    OutboxRow.objects.filter(queue="library").update(done_at=None)
    run_errands_once()

    reservation.refresh_from_db()
    assert (reservation.state, _kinds(reservation)) == ("accepted", ["partner_requested", "partner_accepted"])
    assert [hold["reference"] for hold in gateway.placed] == [f"reservation:{reservation.pk}"]
    assert pending() == []
    assert all(token.startswith("Bearer ey") for token in gateway.tokens)


def test_worker__partner_refuses__ends_with_its_reason(gateway: FakeGateway, api: Api, book: Book) -> None:
    gateway.answers_with = HoldStatus.REFUSED
    reservation = _place(api, book)

    run_errands_once()

    reservation.refresh_from_db()
    assert (reservation.state, reservation.reason, reservation.open_marker) == ("refused", "no", None)
    assert _kinds(reservation)[-1] == "partner_refused"
    assert PartnerHold.objects.get().poll_at is None


def test_worker__partners_service_is_down__stays_requested_and_goes_through_later(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    reservation = _place(api, book)
    gateway.is_down = True

    run_errands_once()
    reservation.refresh_from_db()
    assert (reservation.state, pending()) == ("requested", ["partner.place_hold"])

    gateway.is_down = False
    run_errands_once()
    reservation.refresh_from_db()
    assert (reservation.state, pending()) == ("accepted", [])


def test_cancel__while_nobody_asked_yet__asks_nobody(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)
    api.delete(f"/api/reservations/{reservation.pk}/")

    run_errands_once()

    assert (gateway.placed, pending()) == ([], [])


def test_cancel__after_an_answer_was_lost__finds_the_hold_and_takes_it_back(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    reservation = _place(api, book)
    gateway.loses_answers = 1
    run_errands_once()
    api.delete(f"/api/reservations/{reservation.pk}/")

    run_errands_once()
    run_errands_once()

    reservation.refresh_from_db()
    assert (reservation.state, pending()) == ("cancelled", [])
    assert [hold.state for hold in gateway.holds.values()] == [HoldStatus.CANCELLED]


def test_cancel__of_an_accepted_one__cancels_at_the_partner_once(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)
    run_errands_once()

    answer = api.delete(f"/api/reservations/{reservation.pk}/")
    assert (answer.json()["state"], pending()) == ("cancelled", ["partner.cancel_hold"])
    run_errands_once()
    OutboxRow.objects.filter(type="partner.cancel_hold").update(done_at=None)
    run_errands_once()

    assert [call for call in gateway.seen if call.startswith("DELETE")] == [
        f"DELETE /partners/{PARTNER}/reservations/reservation:{reservation.pk}"
    ]
    assert AuditEntry.objects.filter(action="reservation.hold_cancelled", object_id=reservation.pk).count() == 1


def test_cancel__partner_keeps_the_hold__is_noted_and_ends(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)
    run_errands_once()
    api.delete(f"/api/reservations/{reservation.pk}/")
    gateway.keeps_holds = True

    run_errands_once()

    entry = AuditEntry.objects.get(action="reservation.hold_kept", object_id=reservation.pk)
    assert (json.loads(entry.data)["reason"], pending()) == ("borrowed", [])


def test_expire__wanted_no_longer__is_cancelled_at_the_partner_too(gateway: FakeGateway, api: Api, book: Book) -> None:
    now = clock.now()
    answer = api.post(
        "/api/reservations/",
        {"book_id": book.pk, "library": PARTNER, "reserved_until": (now + SOON).isoformat()},
    )
    run_errands_once()

    expire_due(now=now + 2 * SOON)
    run_errands_once()

    reservation = Reservation.objects.get(pk=answer.json()["id"])
    assert reservation.state == "expired"
    assert [hold.state for hold in gateway.holds.values()] == [HoldStatus.CANCELLED]


def test_polls__accepted_ready_lent_returned__are_followed(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)
    run_errands_once()
    deadline, due = clock.now() + dt.timedelta(days=3), clock.now() + dt.timedelta(days=20)

    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=deadline)
    assert (reservation.state, reservation.pickup_deadline_at) == ("ready", deadline)
    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=due)
    assert (reservation.state, reservation.due_at) == ("borrowed", due)
    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=due + _DAY)
    assert (reservation.state, reservation.due_at) == ("borrowed", due + _DAY)
    _tell(gateway, reservation, HoldStatus.RETURNED)

    assert (reservation.state, reservation.open_marker) == ("returned", None)
    told = ["partner_requested", "partner_accepted", "partner_ready", "borrowed", "due_moved", "returned"]
    assert _kinds(reservation) == told
    assert Holding.objects.get(pk=book.pk).copies_available == 0


def test_polls__deadlines_without_an_hour__stay_the_partners_day_where_the_reader_is(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    Branch.objects.filter(pk=BranchFactory.main().pk).update(time_zone="Pacific/Auckland")
    reservation, day = _place(api, book), dt.date(2030, 5, 6)
    run_errands_once()
    at_partner = dt.datetime(2030, 5, 6, 23, 59, 59, tzinfo=dt.UTC)
    at_branch = dt.datetime(2030, 5, 6, 11, 59, 59, tzinfo=dt.UTC)

    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=at_partner, pickup_deadline_on=day)
    assert reservation.pickup_deadline_at == at_branch
    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=at_partner, due_on=day)
    assert reservation.due_at == at_branch
    _tell(gateway, reservation, HoldStatus.BORROWED, due_at=at_partner)
    assert reservation.due_at == at_partner


def test_polls__last_day_ends_at_the_partner_before_it_does_here__ends_then(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    BranchFactory.main()
    Branch.objects.update(time_zone="America/New_York")
    reservation, day = _place(api, book), (clock.now() + 3 * _DAY).date()
    run_errands_once()
    at_partner = dt.datetime.combine(day, dt.time(23, 59, 59), dt.UTC)

    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=at_partner, pickup_deadline_on=day)
    assert reservation.pickup_deadline_at == at_partner
    with time_machine.travel(at_partner + SOON, tick=False):
        _unlist(gateway, reservation)
    with time_machine.travel(at_partner + SOON + _SOME_MINUTES, tick=False):
        _unlist(gateway, reservation)

    assert reservation.state == "expired"


def test_polls__partner_cancels__reader_hears_that_the_library_did(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)
    run_errands_once()

    _tell(gateway, reservation, HoldStatus.CANCELLED)

    assert (reservation.state, reservation.reason, pending()) == ("cancelled", "library", [])


def test_polls__partner_lists_it_no_more__reader_hears_no_code_and_it_is_taken_back(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    reservation = _place(api, book)
    run_errands_once()
    ref = f"reservation:{reservation.pk}"

    _unlist(gateway, reservation)
    with time_machine.travel(clock.now() + _SOME_MINUTES):
        _unlist(gateway, reservation)

    assert (reservation.state, reservation.reason) == ("cancelled", "library")
    told = OutboxRow.objects.get(aggregate=f"reservation:{reservation.pk}", type="reservation.cancelled")
    assert (notice_of(told).facts["ended_by"], notice_of(told).facts["reason"]) == ("library", "")
    gateway.holds[ref] = HoldState(ref=ref, state=HoldStatus.ACCEPTED)  # it had been there all the time
    run_errands_once()
    assert gateway.holds[ref].state is HoldStatus.CANCELLED
    assert PartnerHold.objects.get(pk=reservation.pk).cancelled_at is not None


@pytest.mark.parametrize("state", [HoldStatus.ACCEPTED, HoldStatus.READY, HoldStatus.BORROWED])
def test_polls__missing_on_one_list__goes_on_and_is_looked_at_soon(
    gateway: FakeGateway, api: Api, book: Book, state: HoldStatus
) -> None:
    reservation = _place(api, book)
    run_errands_once()
    _tell(gateway, reservation, state)

    _unlist(gateway, reservation)
    again_at = PartnerHold.objects.get(pk=reservation.pk).poll_at
    after_one = reservation.state
    _tell(gateway, reservation, state)
    with time_machine.travel(clock.now() + _SOME_MINUTES):
        _unlist(gateway, reservation)

    assert again_at is not None
    assert again_at <= clock.now() + SOON
    assert (after_one, reservation.state, pending()) == (state, state, [])


def test_polls__partners_service_is_down__changes_nothing_and_comes_again(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    reservation = _place(api, book)
    run_errands_once()
    now = clock.now()
    gateway.is_down = True

    assert poll_due(now=now + SOON) == 0

    assert PartnerHold.objects.get(pk=reservation.pk).poll_at == now + SOON + dt.timedelta(minutes=1)


def test_close_account__the_partner_lends_the_book_meanwhile__is_refused(
    gateway: FakeGateway, api: Api, reader: User, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    reservation = _place(api, book)
    run_errands_once()
    _tell(gateway, reservation, HoldStatus.READY)

    def list_before_it_is_lent(**options: int) -> list[int]:
        ids, now = list_open_ids(**options), clock.now()
        lent = HoldState(ref=f"reservation:{reservation.pk}", state=HoldStatus.BORROWED)
        services.record_hold(reservation_id=reservation.pk, told=lent, asked_until=now, now=now)
        return ids

    monkeypatch.setattr("bookwell.library.circulation.services.readers.list_open_ids", list_before_it_is_lent)

    with pytest.raises(OpenLoans):
        run_in_transaction(lambda: services.close_reader(reader_id=reader.pk, actor=LIBRARIAN, now=clock.now()))

    reader.refresh_from_db()
    reservation.refresh_from_db()
    assert reader.deleted_at is None
    assert reservation.state != "cancelled"


@pytest.mark.parametrize("verb", [services.issue, services.renew, services.return_book])
@pytest.mark.parametrize("state", [HoldStatus.READY, HoldStatus.BORROWED])
def test_desk__what_is_the_partners_to_do__is_refused(
    gateway: FakeGateway, api: Api, book: Book, state: HoldStatus, verb: object
) -> None:
    reservation = _place(api, book)
    run_errands_once()
    _tell(gateway, reservation, state)
    before = reservation.version

    with pytest.raises(WrongState, match=PARTNER):
        ReservationFactory.step(verb, reservation)

    reservation.refresh_from_db()
    assert reservation.version == before


def test_checkout__of_a_free_copy_with_a_claim_at_a_partner__is_refused(
    gateway: FakeGateway, api: Api, reader: User
) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    reservation = _place(api, book)
    run_errands_once()
    _tell(gateway, reservation, HoldStatus.READY)
    copy = BookFactory.add_copy(book)

    with pytest.raises(WrongState, match=PARTNER):
        services.check_out(barcode=copy.barcode, card=reader.card_number, actor=LIBRARIAN, now=clock.now())

    assert Holding.objects.get(pk=book.pk).copies_available == 1


def test_ready_past_its_deadline__is_the_partners_to_end(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)
    run_errands_once()
    _tell(gateway, reservation, HoldStatus.READY, pickup_deadline_at=clock.now() - SOON)

    expire_due(now=clock.now())
    reservation.refresh_from_db()
    assert reservation.state == "ready"

    _unlist(gateway, reservation)
    with time_machine.travel(clock.now() + _SOME_MINUTES):
        _unlist(gateway, reservation)
    assert (reservation.state, _kinds(reservation)[-1]) == ("expired", "expired")


def test_explain__at_a_partner__names_it(gateway: FakeGateway, api: Api, book: Book) -> None:
    reservation = _place(api, book)

    facts = api.get(f"/api/reservations/{reservation.pk}/explain/").json()["facts"]

    assert [fact["code"] for fact in facts] == ["state", "partner.requested"]
    assert PARTNER in facts[1]["detail"]


def test_other_refs__name_other_readers_holds_of_the_book(gateway: FakeGateway, api: Api, book: Book) -> None:
    first = _place(api, book)
    run_errands_once()
    other = api_as(make_user(category_id=PolicyFactory.create().category_id))
    second = _place(other, book)
    PartnerHold.objects.filter(pk=second.pk).update(ref="mine")  # as if it had one

    run_errands_once()

    assert gateway.placed[1]["other_refs"] == [f"reservation:{first.pk}"]


def test_worker__hold_of_the_book_is_to_be_taken_back__is_asked_for_after_that(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    first = _place(api, book)
    run_errands_once()
    api.delete(f"/api/reservations/{first.pk}/")
    second = _place(api, book)

    run_errands_once()  # the younger reservation's errand comes first
    assert (len(gateway.placed), pending()) == (1, ["partner.place_hold"])
    run_errands_once()

    second.refresh_from_db()
    assert (second.state, pending()) == ("accepted", [])
    assert gateway.seen[-2:] == [
        f"DELETE /partners/{PARTNER}/reservations/reservation:{first.pk}",
        f"POST /partners/{PARTNER}/reservations",
    ]


def test_worker__hold_is_to_be_taken_back_when_it_asks_again__asks_after_that(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    first = _place(api, book)
    run_errands_once()
    second = _place(api_as(make_user(category_id=PolicyFactory.create().category_id)), book)
    gateway.is_down = True
    run_errands_once()
    api.delete(f"/api/reservations/{first.pk}/")
    gateway.is_down = False

    run_errands_once()  # the errand that came before the other was cancelled is the first again
    run_errands_once()

    calls = [seen for seen in gateway.seen if "/reservations" in seen]
    assert calls[-2:] == [
        f"DELETE /partners/{PARTNER}/reservations/reservation:{first.pk}",
        f"POST /partners/{PARTNER}/reservations",
    ]
    second.refresh_from_db()
    assert (second.state, len(gateway.placed), pending()) == ("accepted", 2, [])


def test_worker__hold_of_the_book_is_being_placed__is_asked_for_after_that(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    first = _place(api, book)
    _place(api_as(make_user(category_id=PolicyFactory.create().category_id)), book)
    gateway.loses_answers = 1

    run_errands_once()
    assert (len(gateway.placed), pending()) == (1, ["partner.place_hold"] * 2)
    run_errands_once()

    assert gateway.placed[-1]["other_refs"] == [f"reservation:{first.pk}"]
    assert set(Reservation.objects.values_list("state", flat=True)) == {"accepted"}


def test_worker__somebody_wanted_the_book_before__is_asked_for_after_that(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    first = _place(api, book)
    run_errands_once()
    gateway.is_down = True
    api.delete(f"/api/reservations/{first.pk}/")
    early, late = (_place(api_as(make_user(category_id=PolicyFactory.create().category_id)), book) for _ in range(2))
    run_errands_once()  # nothing is asked for while one is to be taken back, and that cannot be done now
    gateway.is_down = False
    handle_errands([one for one in envelopes_about(first.pk) if one.type == "partner.cancel_hold"])

    handle_errands(envelopes_about(late.pk))
    assert len(gateway.placed) == 1
    handle_errands(envelopes_about(early.pk))
    handle_errands(envelopes_about(late.pk))

    assert [hold["reference"] for hold in gateway.placed[1:]] == [f"reservation:{one.pk}" for one in (early, late)]
    assert pending() == []


def test_worker__who_wanted_the_book_before_has_given_up__waits_for_nobody(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    early = _place(api, book)
    late = _place(api_as(make_user(category_id=PolicyFactory.create().category_id)), book)
    api.delete(f"/api/reservations/{early.pk}/")

    handle_errands(envelopes_about(late.pk))

    late.refresh_from_db()
    assert late.state == "accepted"


def test_worker__hold_of_the_book_was_ended_by_the_partner__waits_for_nothing(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    first = _place(api, book)
    run_errands_once()
    _tell(gateway, first, HoldStatus.CANCELLED)
    second = _place(api, book)

    run_errands_once()

    second.refresh_from_db()
    assert (first.state, second.state, pending()) == ("cancelled", "accepted", [])

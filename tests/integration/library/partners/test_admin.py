"""Partner libraries and holds in Django's admin."""

import datetime as dt

import pytest
from django.test import Client

from bookwell.contracts.partners import HoldStatus
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.rules import Role
from bookwell.library.circulation.models import PartnerHold, Reservation
from bookwell.library.partners import client
from bookwell.library.partners.services import remember_answers, remember_partners
from tests.errands import pending, run_errands_once
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory
from tests.fake_gateway import ISBN, PARTNER, FakeGateway
from tests.people import api_as, make_user

pytestmark = pytest.mark.django_db

HOLDS = "/admin/circulation/partnerhold/"
OTHER_ISBN = "9780439023481"
PARTNERS = "/admin/partners/partner/"


def _browser(role: Role) -> Client:
    browser = Client()
    browser.force_login(ReaderFactory.create(role=role))
    return browser


def _placed(isbn: str = ISBN) -> Reservation:
    """A reservation at library 2, which has been asked."""
    BranchFactory.main()
    reader = make_user(category_id=PolicyFactory.create().category_id)
    book = BookFactory.create(copies=0, isbn=isbn)
    answer = api_as(reader).post("/api/reservations/", {"book_id": book.pk, "library": PARTNER})
    assert answer.status_code == 201, answer.content
    run_errands_once()
    return Reservation.objects.get(pk=answer.json()["id"])


def test_holds__are_listed_for_librarians(gateway: FakeGateway) -> None:
    reservation = _placed()

    page = _browser(Role.LIBRARIAN).get(HOLDS)
    detail = _browser(Role.LIBRARIAN).get(f"{HOLDS}{reservation.pk}/change/")

    assert (page.status_code, detail.status_code) == (200, 200)
    assert "accepted" in page.text
    assert PARTNER in page.text
    assert reservation.book.title in page.text
    assert gateway.holds


@pytest.mark.parametrize("path", [HOLDS, PARTNERS, "/admin/partners/partneranswer/"])
def test_pages__readers__do_not_get_in(path: str) -> None:
    assert _browser(Role.READER).get(path).status_code == 302


def test_cancel__chosen_holds__are_cancelled_here_and_there(gateway: FakeGateway) -> None:
    reservation = _placed()

    _browser(Role.LIBRARIAN).post(HOLDS, {"action": "cancel", "_selected_action": [str(reservation.pk)]})
    reservation.refresh_from_db()

    assert reservation.state == "cancelled"
    assert pending() == ["partner.cancel_hold"]
    run_errands_once()
    assert gateway.holds[f"reservation:{reservation.pk}"].state is HoldStatus.CANCELLED


def test_cancel__what_has_ended__stays_as_it_is(gateway: FakeGateway) -> None:
    gateway.answers_with = HoldStatus.REFUSED
    refused = _placed()
    gateway.answers_with = HoldStatus.ACCEPTED
    accepted = _placed(OTHER_ISBN)

    chosen = [str(refused.pk), str(accepted.pk)]
    _browser(Role.LIBRARIAN).post(HOLDS, {"action": "cancel", "_selected_action": chosen})

    states = {row.pk: row.state for row in Reservation.objects.filter(pk__in=chosen)}
    assert states == {refused.pk: "refused", accepted.pk: "cancelled"}


def test_ask_again__a_hold_that_waits_for_its_poll__is_due_now(gateway: FakeGateway) -> None:
    reservation = _placed()
    later = clock.now() + dt.timedelta(minutes=10)
    PartnerHold.objects.filter(pk=reservation.pk).update(poll_at=later)
    asked = len(gateway.seen)

    _browser(Role.LIBRARIAN).post(HOLDS, {"action": "ask_again", "_selected_action": [str(reservation.pk)]})

    due = PartnerHold.objects.get(pk=reservation.pk).poll_at
    assert due is not None
    assert due <= clock.now()
    assert len(gateway.seen) == asked  # the poll asks, not the page


def test_ask_again__a_hold_that_is_not_followed__stays_so(gateway: FakeGateway) -> None:
    reservation = _placed()
    PartnerHold.objects.filter(pk=reservation.pk).update(poll_at=None)

    _browser(Role.LIBRARIAN).post(HOLDS, {"action": "ask_again", "_selected_action": [str(reservation.pk)]})

    assert PartnerHold.objects.get(pk=reservation.pk).poll_at is None
    assert gateway.holds


def test_partners__tells_how_each_does(gateway: FakeGateway) -> None:
    gateway.circuit = "half_open"
    run_in_transaction(lambda: remember_partners(takes_holds={PARTNER: True, "gone": False}))

    page = _browser(Role.LIBRARIAN).get(PARTNERS)

    assert page.status_code == 200
    assert "half_open" in page.text
    assert "gone" in page.text
    assert gateway.seen == ["GET /partners"]


def test_partners__the_partners_service_is_down__are_listed_all_the_same(gateway: FakeGateway) -> None:
    run_in_transaction(lambda: remember_partners(takes_holds={PARTNER: True}))
    gateway.is_down = True

    page = _browser(Role.LIBRARIAN).get(PARTNERS)

    assert page.status_code == 200
    assert PARTNER in page.text


def test_answers__of_partners__are_listed(gateway: FakeGateway) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    run_in_transaction(
        lambda: remember_answers(book_id=book.pk, answers=client.fetch_availability(ISBN), now=clock.now())
    )

    page = _browser(Role.LIBRARIAN).get("/admin/partners/partneranswer/")

    assert (page.status_code, gateway.state.value in page.text, book.title in page.text) == (200, True, True)

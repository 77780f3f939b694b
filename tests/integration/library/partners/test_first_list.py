"""Who the partners are, before a background process has stored them for the first time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from bookwell.library.api import elsewhere
from bookwell.library.api.partner_list import PartnerList
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Reservation
from bookwell.library.partners import client
from bookwell.library.partners.client import ListedPartner
from bookwell.library.partners.errors import PartnersLate, PartnersSilent
from bookwell.library.partners.models import Partner
from tests.factories import BookFactory, BranchFactory, PolicyFactory
from tests.fake_gateway import ISBN, PARTNER, FakeGateway, fake_gateway
from tests.people import Api, api_as, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    """Of a library that has not asked it yet."""
    monkeypatch.setattr(elsewhere, "partner_list", PartnerList())
    with fake_gateway() as gateway:
        yield gateway


@pytest.fixture
def api() -> Api:
    BranchFactory.main()
    return api_as(make_user(category_id=PolicyFactory.create().category_id))


@pytest.fixture
def book(api: Api) -> Book:
    return BookFactory.create(copies=0, isbn=ISBN)


def _place(api: Api, book: Book, library: str) -> tuple[int, str]:
    answer = api.post("/api/reservations/", {"book_id": book.pk, "library": library})
    shape = answer.json()
    return answer.status_code, shape.get("state") or shape["code"]


@contextmanager
def _listed_by(fetch: Callable[[], list[ListedPartner]]) -> Iterator[None]:
    with patch.object(client, "fetch_partners", fetch):
        yield


def test_place__nobody_has_asked_yet__asks_who_they_are(gateway: FakeGateway, api: Api, book: Book) -> None:
    assert _place(api, book, PARTNER) == (201, "requested")
    assert gateway.seen[0] == "GET /partners"


def test_place__a_background_process_stores_them_at_that_moment__is_placed(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    def fetch_while_they_are_stored() -> list[ListedPartner]:
        Partner.objects.create(name=PARTNER, takes_holds=True)
        return [ListedPartner(name=PARTNER, takes_holds=True)]

    with _listed_by(fetch_while_they_are_stored):
        assert _place(api, book, PARTNER) == (201, "requested")


def test_place__partners_service_does_not_tell__is_to_be_tried_again(
    gateway: FakeGateway, api: Api, book: Book
) -> None:
    gateway.fails_for = frozenset({"partners"})

    assert [_place(api, book, PARTNER) for _ in range(2)] == [(503, "partners.unreachable")] * 2

    assert gateway.seen == ["GET /partners"]
    assert not Reservation.objects.exists()


def test_place__at_a_branch_meanwhile__is_placed(gateway: FakeGateway, api: Api, book: Book) -> None:
    gateway.fails_for = frozenset({"partners"})

    assert _place(api, book, "main") == (201, "waiting")


def test_place__nobody_listens_for_partners__names_nobody(gateway: FakeGateway, api: Api, book: Book) -> None:
    gateway.is_down = True

    assert _place(api, book, PARTNER) == (422, "library.unknown")


def test_fetch__two_at_once__one_asks_and_both_hear_the_same(gateway: FakeGateway) -> None:
    partners, is_asked_again = PartnerList(), threading.Event()
    asked: list[int] = []

    def fetch_late() -> list[ListedPartner]:
        if asked:
            is_asked_again.set()
        asked.append(1)
        is_asked_again.wait(0.2)
        raise PartnersLate

    def is_told_nothing() -> bool:
        with pytest.raises(PartnersSilent):
            partners.fetch()
        return True

    with _listed_by(fetch_late), ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(is_told_nothing) for _ in range(2)]
        assert all(answer.result() for answer in answers)

    assert len(asked) == 1

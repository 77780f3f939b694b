"""Where a book can be had: the page that asks, and what a placing answer knows without asking."""

import datetime as dt
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.library.accounts.models import User
from bookwell.library.circulation.partner_tasks import refresh_due
from bookwell.library.partners import client, services
from bookwell.library.partners.models import Partner, PartnerAnswer
from bookwell.library.partners.queries import list_known_answers
from tests.factories import BookFactory, BranchFactory, PolicyFactory, ReaderFactory, ReservationFactory
from tests.fake_gateway import ISBN, PARTNER, FakeGateway
from tests.people import Api, api_as, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> User:
    BranchFactory.main()
    return make_user(category_id=PolicyFactory.create().category_id)


@pytest.fixture
def api(reader: User) -> Api:
    return api_as(reader)


def test_availability__tells_branches_queue_and_partners_each_with_its_time(gateway: FakeGateway, api: Api) -> None:
    branch = BranchFactory.create()
    book = BookFactory.create(copies=2, branch=branch, isbn=ISBN)
    BookFactory.add_copy(book)
    ReservationFactory.place(ReaderFactory.create(home_branch=branch), book)

    shape = api.get(f"/api/books/{book.pk}/availability/").json()

    assert shape["queue_length"] == 0
    assert [(place["code"], place["copies"], place["free"]) for place in shape["branches"]] == [
        ("main", 1, 1),
        (branch.code, 2, 1),
    ]
    [partner] = shape["partners"]
    assert (partner["name"], partner["state"]) == (PARTNER, "available")
    assert all(place["fetched_at"] for place in [*shape["branches"], partner])


def test_availability__partners_service_is_down__tells_what_was_said_before_with_its_age(
    gateway: FakeGateway, api: Api
) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    fresh = api.get(f"/api/books/{book.pk}/availability/").json()["partners"][0]
    gateway.is_down = True

    told = {partner["name"]: partner for partner in api.get(f"/api/books/{book.pk}/availability/").json()["partners"]}

    assert told[PARTNER]["state"] == "available"
    assert (told[PARTNER]["fetched_at"], told[PARTNER]["from_cache"]) == (fresh["fetched_at"], True)
    assert told["library 9"]["state"] == "unknown"
    assert {partner["error"] for partner in told.values()} == {"partners_unreachable"}


def test_availability__said_more_than_a_day_ago__is_unknown(gateway: FakeGateway, api: Api) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    api.get(f"/api/books/{book.pk}/availability/")
    row = PartnerAnswer.objects.get()
    row.content["fetched_at"] = (clock.now() - dt.timedelta(days=2)).isoformat()
    row.save()
    gateway.is_down = True

    partners = api.get(f"/api/books/{book.pk}/availability/").json()["partners"]

    assert {partner["state"] for partner in partners} == {"unknown"}


def test_availability__partner_fails__is_unknown_and_keeps_its_earlier_word_for_later(
    gateway: FakeGateway, api: Api
) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    api.get(f"/api/books/{book.pk}/availability/")
    gateway.state = "unknown"  # type: ignore[assignment]

    [partner] = api.get(f"/api/books/{book.pk}/availability/").json()["partners"]

    assert partner["state"] == "unknown"
    assert PartnerAnswer.objects.get().content["state"] == "available"


def test_availability__book_without_isbn__asks_nobody(gateway: FakeGateway, api: Api) -> None:
    book = BookFactory.create(copies=0)

    shape = api.get(f"/api/books/{book.pk}/availability/").json()

    assert (shape["partners"], gateway.seen) == ([], [])


def test_place__no_copy_free__tells_where_else_and_asks_nobody(gateway: FakeGateway, api: Api) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    api.get(f"/api/books/{book.pk}/availability/")
    gateway.seen.clear()

    shape = api.post("/api/reservations/", {"book_id": book.pk}).json()

    elsewhere = shape["elsewhere"]
    assert elsewhere["href"] == f"/api/books/{book.pk}/availability/"
    assert [(known["name"], known["state"], known["from_cache"]) for known in elsewhere["known"]] == [
        (PARTNER, "available", True)
    ]
    assert gateway.seen == []
    assert api.get(elsewhere["href"]).status_code == 200


def test_place__copy_free__reads_nothing_of_partners(gateway: FakeGateway, api: Api) -> None:
    book = BookFactory.create(copies=1, isbn=ISBN)

    with CaptureQueriesContext(connection) as captured:
        shape = api.post("/api/reservations/", {"book_id": book.pk}).json()

    assert "elsewhere" not in shape
    assert not [query["sql"] for query in captured if "partner_answer" in query["sql"] or '"partner"' in query["sql"]]


def test_refresh__books_that_readers_wait_for__are_asked_for_once_in_a_while(gateway: FakeGateway, api: Api) -> None:
    wanted = BookFactory.create(copies=0, isbn=ISBN)
    BookFactory.create(copies=0, isbn="9780439023481")
    ReservationFactory.place(ReaderFactory.create(), wanted)
    now = clock.now()

    numbers = [refresh_due(now=now + dt.timedelta(minutes=minutes)) for minutes in (0, 5, 16)]

    assert numbers == [1, 0, 1]
    assert PartnerAnswer.objects.get().book_id == wanted.pk


def test_refresh__partner_is_gone__is_forgotten(gateway: FakeGateway) -> None:
    Partner.objects.create(name="library 5", takes_holds=True)

    refresh_due(now=clock.now())

    assert set(Partner.objects.values_list("name", flat=True)) == {PARTNER, "library 9"}


def test_refresh__partners_service_is_down__forgets_nobody(gateway: FakeGateway) -> None:
    gateway.is_down = True

    assert refresh_due(now=clock.now()) == 0

    assert Partner.objects.count() == 2


def test_availability__another_request_remembers_the_first_word_at_that_moment__both_are_answered(
    gateway: FakeGateway, api: Api
) -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    find = PartnerAnswer.objects.filter

    def find_before_a_rival_writes(**wanted: Any) -> list[PartnerAnswer]:
        found = list(find(**wanted))
        PartnerAnswer.objects.create(book_id=book.pk, partner=PARTNER, content={}, checked_at=clock.now())
        return found

    with patch.object(PartnerAnswer.objects, "filter", find_before_a_rival_writes):
        services.remember_answers(book_id=book.pk, answers=client.fetch_availability(ISBN), now=clock.now())

    (known,) = list_known_answers(book.pk)
    assert (known.name, known.state) == (PARTNER, "available")

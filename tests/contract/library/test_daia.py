"""The library as a DAIA 1.0 server, read letter by letter and by our own adapter for other libraries."""

import asyncio
import datetime as dt
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from django.conf import settings
from django.test import Client

from bookwell.contracts.partners import PartnerState
from bookwell.partners.adapters.daia.adapter import DaiaAdapter
from bookwell.partners.adapters.daia.options import DaiaOptions
from tests.factories import BookFactory, ReaderFactory, ReservationFactory

pytestmark = pytest.mark.django_db

ISBN = "9780261103573"
ISBN_10 = "0261103571"
OTHER = "9780439023481"


def _get(ids: str, **more: str) -> Any:
    return Client().get(f"/daia?id={quote(ids, safe='')}&format=json", headers=more)


def _services(documents: list[dict[str, Any]], kind: str) -> list[list[str]]:
    return [[entry["service"] for entry in item.get(kind, [])] for item in documents[0]["item"]]


def test_daia__free_and_lent_copies__offer_loan_and_presentation_or_tell_when() -> None:
    book = BookFactory.create(copies=0, isbn=ISBN)
    for _ in range(2):
        BookFactory.add_copy(book)
    loan = ReservationFactory.borrowed(book=book)

    answer = _get(f"isbn:{ISBN}")

    shape = answer.json()
    [document] = shape["document"]
    assert document["id"] == document["href"] == f"{settings.TOKEN_ISSUER}/api/books/{book.pk}/"
    assert (document["requested"], document["about"]) == (f"isbn:{ISBN}", book.title)
    assert sorted(_services([document], "available")) == [[], ["presentation", "loan"]]
    [lent] = [item for item in document["item"] if "unavailable" in item]
    assert loan.due_at is not None
    assert lent["unavailable"] == [
        {"service": service, "expected": loan.due_at.date().isoformat(), "queue": 0}
        for service in ("presentation", "loan")
    ]
    assert lent["storage"]["content"] == "Main Library"
    assert answer.headers["X-DAIA-Version"] == "1.0.0"
    assert dt.datetime.fromisoformat(shape["timestamp"]).tzinfo is not None
    assert shape["institution"]["id"] == settings.TOKEN_ISSUER


def test_daia__a_queue__lengthens_the_wait() -> None:
    book = BookFactory.create(isbn=ISBN)
    loan = ReservationFactory.borrowed(book=book)
    ReservationFactory.place(ReaderFactory.create(), book)

    [document] = _get(ISBN).json()["document"]

    entry = document["item"][0]["unavailable"][0]
    assert entry["queue"] == 1
    assert loan.due_at is not None
    assert dt.date.fromisoformat(entry["expected"]) > loan.due_at.date()


def test_daia__several_ids__are_each_answered_and_unknown_ones_left_out() -> None:
    first, second = BookFactory.create(isbn=ISBN), BookFactory.create(copies=0, isbn=OTHER)
    uri = f"{settings.TOKEN_ISSUER}/api/books/{second.pk}/"

    documents = _get(f"urn:isbn:{ISBN}|ppn:77|{uri}|isbn:9780000000000").json()["document"]

    assert [document["requested"] for document in documents] == [f"urn:isbn:{ISBN}", uri]
    assert "item" in documents[0]
    assert "item" not in documents[1]
    assert str(first.pk) in documents[0]["id"]


def test_daia__nothing_known__is_an_empty_list() -> None:
    answer = _get("ppn:1|" + "9" * 300 + "|" + settings.TOKEN_ISSUER + "/api/books/" + "9" * 40)

    assert (answer.status_code, answer.json()["document"]) == (200, [])


@pytest.mark.parametrize("query", ["id=isbn:9780261103573", "id=isbn:9780261103573&format=xml", "format=json"])
def test_daia__missing_or_other_format__is_daias_error(query: str) -> None:
    answer = Client().get(f"/daia?{query}")

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.json()["error"], answer.json()["code"]) == ("invalid_request", 422)


def test_daia__other_methods__are_daias_error() -> None:
    answer = Client(enforce_csrf_checks=True).post("/daia?id=1&format=json")

    assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request")


def test_daia__very_many_ids__are_answered_in_parts() -> None:
    BookFactory.create(isbn=ISBN)

    answer = _get("|".join([*(f"ppn:{number}" for number in range(50)), f"isbn:{ISBN}"]))

    link = answer.headers["Link"]
    assert 'rel="next"' in link
    followed = Client().get(link[1 : link.index(">")])
    assert [document["requested"] for document in followed.json()["document"]] == [f"isbn:{ISBN}"]
    assert "Link" not in followed.headers


@pytest.mark.parametrize(
    ("copies", "state"), [(1, PartnerState.AVAILABLE), (0, PartnerState.UNAVAILABLE), (None, PartnerState.UNAVAILABLE)]
)
def test_daia__our_own_adapter__reads_it(copies: int | None, state: PartnerState) -> None:
    if copies is not None:
        book = BookFactory.create(isbn=ISBN)
        if not copies:
            ReservationFactory.borrowed(book=book)
    answer = _get(f"isbn:{ISBN}|isbn:{ISBN_10}")  # here: an event loop has another connection
    seen: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(f"{request.url.path} {request.url.params['id']} {request.url.params['format']}")
        body = httpx2.ByteStream(answer.content)
        return httpx2.Response(answer.status_code, headers=dict(answer.headers), stream=body)

    async def ask() -> Any:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(handle)) as http:
            adapter = DaiaAdapter(DaiaOptions(url="http://localhost/daia", id_prefix="isbn:"), http)
            return await adapter.fetch_availability(ISBN)

    told = asyncio.run(ask())

    assert (told.state, told.copies_available) == (state, copies or 0)
    assert seen == [f"/daia isbn:{ISBN}|isbn:{ISBN_10} json"]

"""Bodies over HTTP: what is not as the document says is refused, names are taken as they are meant."""

from typing import Any

import pytest
from django.test import Client

from tests.contract.library.world import World

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/reservations/", {"book_id": True}),
        ("/api/reservations/", {"book_id": " 5 "}),
        ("/api/policies/", {"category": "adult", "shelve_immediately": "off"}),
        ("/api/policies/", {"category": "adult", "loan_days": "14"}),
        ("/api/branches/", {"code": "x", "name": "X", "open_weekdays": ["1"]}),
        ("/api/branches/", {"code": "x", "name": " \t "}),
    ],
)
def test_body__against_the_document__is_422(path: str, body: dict[str, Any], world: World) -> None:
    response = Client().post(path, body, content_type="application/json", headers=world.headers("admin"))

    assert (response.status_code, response.json()["code"]) == (422, "request.invalid")


@pytest.mark.parametrize("until", [None, "2100-03-12T18:00:00+02:00", "2100-03-12T18:00:00"])
def test_place__what_it_answers__is_what_is_read_afterwards(until: str | None, world: World) -> None:
    client, body = Client(headers=world.headers("other")), {"book_id": world.unborrowed_book.pk}

    placed = client.post("/api/reservations/", body | {"reserved_until": until}, content_type="application/json")

    assert client.get(placed["Location"]).json() == placed.json()


def test_name__with_blanks_around_it__is_the_name_without(world: World) -> None:
    client = Client(headers=world.headers("admin"))

    made = client.post("/api/branches/", {"code": "x", "name": " North  "}, content_type="application/json")
    body = {"book_id": world.unborrowed_book.pk, "library": "North "}
    placed = client.post("/api/reservations/", body, content_type="application/json")

    assert (made.json()["name"], placed.json()["library"]) == ("North", "North")

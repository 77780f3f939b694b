"""POST /api/customer/book_table/ and GET /api/customer/booking/: an order, and what its link shows."""

import json
import re
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bookwell.tables.bookings.models import booking
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.db import Database
from bookwell.tables.floor.queries import get_house
from tests.contract.tables.serving import served
from tests.restaurant import NOW, SITE, STAFF, a_table, an_order, booked, mails
from tests.waiters import bearer

PATH = "/api/customer/book_table/"
VIEW = "/api/customer/booking/"


def an_answer(client: TestClient, table_id: int, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
    wanted = {"starts_at": "2030-05-07T18:00:00", "party_size": 2, "email": "ada@example.org", **body}
    return client.post(PATH, params={"id": table_id}, json=wanted, headers=headers)


def count(restaurant: Database) -> int:
    return restaurant.read(lambda connection: connection.scalar(select(func.count()).select_from(booking)) or 0)


def test_book_table__a_free_table__is_ordered_and_the_guest_is_told(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant, price=2550)

    answer = an_answer(client, table.id, name="Ada", comment="By the window")

    content = answer.json()
    assert answer.status_code == 201, answer.text
    assert content == {
        "id": content["id"],
        "state": "requested",
        "table_id": table.id,
        "table": table.name,
        "table_type": "regular",
        "party_size": 2,
        "starts_at": "2030-05-07T16:00:00Z",
        "ends_at": "2030-05-07T17:30:00Z",
        "time_zone": "Europe/Warsaw",
        "price": 25.5,
        "decide_by": "2030-05-06T14:00:00Z",
        "name": "Ada",
        "reason": "",
    }
    assert '"price":25.50,' in answer.text
    assert [mail.type for mail in mails(restaurant, content["id"])] == ["booking.requested"]


def test_book_table__the_table_in_the_body__is_the_same(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant)
    body = {"id": table.id, "starts_at": "2030-05-07T18:00:00+02:00", "party_size": "2", "phone": "+48 22 123 45 67"}

    as_text = client.post(PATH.rstrip("/"), json=body)
    answer = client.post(PATH.rstrip("/"), json=body | {"party_size": 2})

    assert as_text.status_code == 422
    assert answer.status_code == 201, answer.text
    assert answer.json()["table_id"] == table.id
    assert booked(restaurant, answer.json()["id"]).phone == "+48221234567"


def test_book_table__two_tables__is_refused(client: TestClient, restaurant: Database) -> None:
    first, second = a_table(restaurant), a_table(restaurant)

    answer = an_answer(client, first.id, id=second.id)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"code": "contradictory", "detail": "The query and the body give it different values", "parameter": "id"}
    ]


def test_book_table__a_name_that_is_too_long__is_told_in_characters(client: TestClient, restaurant: Database) -> None:
    answer = an_answer(client, a_table(restaurant).id, name="x" * 201)

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "#/name")
    assert (error["code"], error["detail"]) == ("string_too_long", "String should have at most 200 characters")


def test_book_table__id_alone__says_what_is_needed(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant)

    answer = client.post(PATH, params={"id": table.id})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "request.invalid")
    assert problem["detail"] == "Needed: party_size, starts_at"
    assert {each["pointer"] for each in problem["errors"]} == {"#/party_size", "#/starts_at"}


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"starts_at": "tomorrow"}, "request.invalid", "#/starts_at"),
        ({"starts_at": 1}, "request.invalid", "#/starts_at"),
        ({"party_size": 0}, "request.invalid", "#/party_size"),
        ({"email": "ada@"}, "request.invalid", "#/email"),
        ({"phone": "123"}, "request.invalid", "#/phone"),
        ({"name": "Ada\nBcc: x"}, "request.invalid", "#/name"),
        ({"locale": "no language"}, "request.invalid", "#/locale"),
        ({"seats": 4}, "request.invalid", "#/seats"),
        ({"email": ""}, "order.contact_missing", None),
        ({"starts_at": "2030-03-31T02:30:00"}, "time.missing", None),
        ({"starts_at": "2030-10-27T02:30:00"}, "time.ambiguous", None),
    ],
)
def test_book_table__what_is_wrong__is_said_and_nothing_is_kept(
    client: TestClient, restaurant: Database, body: dict[str, Any], code: str, pointer: str | None
) -> None:
    table, before = a_table(restaurant), count(restaurant)

    answer = an_answer(client, table.id, **body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [each["pointer"] for each in answer.json()["errors"]] == ([pointer] if pointer else [])
    assert count(restaurant) == before


def test_book_table__a_taken_table__names_what_is_free_instead(client: TestClient, restaurant: Database) -> None:
    taken, free = a_table(restaurant, seats=41), a_table(restaurant, seats=41, price=1999)
    order = an_order(restaurant, taken.id, party_size=41)
    restaurant.write(
        lambda connection: accept_booking(connection, booking_id=order.id, actor=STAFF, public_url=SITE, now=NOW)
    )

    answer = an_answer(client, taken.id, party_size=41)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "booking.slot_taken")
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["alternatives"][0] == {
        "id": free.id,
        "name": free.name,
        "table_type": "regular",
        "seats": 41,
        "price": 19.99,
    }
    assert '"price":19.99}' in answer.text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"party_size": 5}, "order.party_too_large"),
        ({"starts_at": "2030-05-06T12:30:00"}, "order.too_soon"),
        ({"starts_at": "2030-05-05T18:00:00"}, "order.too_soon"),
        ({"starts_at": "2031-05-07T18:00:00"}, "order.too_far_ahead"),
        ({"starts_at": "2030-05-07T23:00:00"}, "order.outside_hours"),
    ],
)
def test_book_table__beyond_the_limits_for_guests__is_a_conflict_but_for_staff(
    client: TestClient, restaurant: Database, body: dict[str, Any], code: str
) -> None:
    table, staff = a_table(restaurant), bearer(client.app.state.site)  # type: ignore[attr-defined]  # Starlette's app
    before = count(restaurant)

    answer = an_answer(client, table.id, **body)
    after = count(restaurant)
    of_staff = an_answer(client, table.id, headers=staff, **body, email="")

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert after == before
    assert of_staff.status_code == 201, of_staff.text
    kept = booked(restaurant, of_staff.json()["id"])
    assert re.fullmatch("staff:[0-9]+", kept.made_by)
    assert kept.from_address == ""  # of the restaurant's own it says nothing, and there guests may order too


def test_book_table__a_table_that_cannot_be_booked__is_refused_to_all(client: TestClient, restaurant: Database) -> None:
    table, staff = a_table(restaurant, can_be_booked=False), bearer(client.app.state.site)  # type: ignore[attr-defined]

    answers = [an_answer(client, table.id), an_answer(client, table.id, headers=staff)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "table.not_bookable")] * 2
    assert an_answer(client, 2**62).json()["code"] == "table.not_found"


def test_book_table__a_token_that_is_not_good__is_refused(client: TestClient, restaurant: Database) -> None:
    table, before = a_table(restaurant), count(restaurant)

    answer = an_answer(client, table.id, headers={"Authorization": "Bearer made.up.token"})

    assert (answer.status_code, answer.json()["code"]) == (401, "auth.required")
    assert count(restaurant) == before


def test_book_table__from_an_address_that_has_enough__is_refused(restaurant: Database) -> None:
    table, house = a_table(restaurant), restaurant.read(get_house)

    with (
        served(restaurant, address="2001:db8::1") as first,
        served(restaurant, address="2001:db8::2") as second,
        time_machine.travel(NOW, tick=False),
    ):
        answers = [
            an_answer((first, second)[n % 2], table.id, email=f"crowd{n}@example.org")
            for n in range(house.open_orders_per_address + 1)
        ]

    assert {answer.status_code for answer in answers[:-1]} == {201}
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (409, "order.too_many_open")


def test_book_table__a_contact_that_has_enough__is_refused_however_written(restaurant: Database) -> None:
    table, house = a_table(restaurant), restaurant.read(get_house)
    ways = ["eager@example.org", "Eager+2@Example.ORG", " eager+table@example.org ", "EAGER@example.org"]

    with served(restaurant, address="192.0.2.9") as client, time_machine.travel(NOW, tick=False):
        answers = [an_answer(client, table.id, email=ways[n % 4]) for n in range(house.open_orders_per_contact + 1)]

    assert booked(restaurant, answers[2].json()["id"]).email == "eager+table@example.org"  # where mails go
    assert {answer.status_code for answer in answers[:-1]} == {201}
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (409, "order.too_many_open")


@pytest.mark.parametrize(
    ("sent", "header", "kept"),
    [("pl-PL", "ru", "pl"), ("", "ru;q=0.8, pl;q=0.5", "ru"), ("de", "pl", "en"), ("", "de", "en"), ("", "", "en")],
)
def test_book_table__the_language__is_the_guests(
    client: TestClient, restaurant: Database, sent: str, header: str, kept: str
) -> None:
    table = a_table(restaurant)

    answer = an_answer(client, table.id, locale=sent, email="Ada@Example.ORG", headers={"Accept-Language": header})

    row = booked(restaurant, answer.json()["id"])
    assert (row.locale, row.email) == (kept, "ada@example.org")


def test_book_table__the_same_key__is_one_order_and_one_answer(client: TestClient, restaurant: Database) -> None:
    table, key = a_table(restaurant), {"Idempotency-Key": f'"order-{restaurant.engine.dialect.name}"'}

    first = an_answer(client, table.id, headers=key)
    before = count(restaurant)
    again = an_answer(client, table.id, headers=key)
    other = an_answer(client, table.id, headers=key, party_size=3)

    assert (again.status_code, again.content) == (201, first.content)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")
    assert count(restaurant) == before


def links(restaurant: Database, booking_id: int) -> dict[str, str]:
    facts = json.loads(mails(restaurant, booking_id)[-1].payload)["facts"]
    return {name: facts[name] for name in ("booking_url", "cancel_url")}


def test_view_booking__the_mails_link__shows_its_state(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    url = links(restaurant, order.id)["booking_url"]

    answer = client.get(url.removeprefix(SITE))

    assert answer.status_code == 200, answer.text
    assert (answer.json()["id"], answer.json()["state"]) == (order.id, "requested")
    assert not {"email", "phone", "comment"} & answer.json().keys()
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("token", ["x", "", "%25", "%FF%FE", "%C5%BC", "'%20OR%201=1%20--", "a" * 5000, "1&id=2"])
def test_view_booking__junk__is_unknown(client: TestClient, token: str) -> None:
    answer = client.get(f"{VIEW}?id={token}")

    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] == "booking.token_unknown"
    assert answer.headers["x-robots-tag"] == "noindex"


def test_view_booking__a_link_for_something_else__is_unknown(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    token = links(restaurant, order.id)["cancel_url"].partition("?id=")[2]

    answer = client.get(VIEW, params={"id": token})

    wrong = client.get(VIEW, params={"id": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (404, "booking.token_unknown")
    assert {**answer.json(), "trace_id": ""} == {**wrong.json(), "trace_id": ""}


def test_view_booking__its_token__is_in_no_log(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    token = links(restaurant, order.id)["booking_url"].partition("?id=")[2]

    with capture_logs() as logs:
        client.get(VIEW, params={"id": token})
        client.get(VIEW + "nothing/", params={"id": token})
        client.post(VIEW, params={"id": token})

    assert [(entry["event"], entry["status"]) for entry in logs] == [
        ("http.request", 200),
        ("http.request", 404),
        ("http.request", 405),
    ]
    assert token not in str(logs)

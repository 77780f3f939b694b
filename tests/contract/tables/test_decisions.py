"""POST /api/backoffice/decisions: who is believed, and what each decision is answered and leaves behind."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit import ids
from bookwell.kit.webhooks import WebhookSecret, sign
from bookwell.tables.app import create_app
from bookwell.tables.bookings.rules import Actor
from bookwell.tables.bookings.services.closing import Closing, close_tables
from bookwell.tables.bookings.services.deadlines import expire_order
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.ending import cancel_booking
from bookwell.tables.bookings.services.moving import move_booking
from bookwell.tables.bookings.services.placing import OrderRequest, set_booking
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, holders, mails

PATH = "/api/backoffice/decisions"
NEW, OLD = ("whsec_" + 10 * letters for letters in ("TmV3", "T2xk"))
STRANGE = "whsec_" + 10 * "U3Ry"
HOUR = dt.timedelta(hours=1)
# Standard Webhooks' own example: secret, id, timestamp, body and signature.
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR_HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
VECTOR_BODY = b'{"test": 2432232314}'


@pytest.fixture(scope="module")
def _served(restaurant: Database) -> Iterator[TestClient]:
    """The service, which believes two secrets: one that replaces another."""
    settings = TablesSettings(tables_url=SITE, tables_decision_secrets=f"{NEW},{OLD}")
    with TestClient(create_app(settings, database=restaurant), base_url="http://127.0.0.1:9000") as client:
        yield client


def signed(
    body: bytes, *, secret: str = NEW, webhook_id: str = "", sent_at: dt.datetime = NOW, **headers: str
) -> dict[str, str]:
    made = sign([WebhookSecret.parse(secret)], message_id=webhook_id or ids.new_id(), sent_at=sent_at, body=body)
    return {"Content-Type": "application/json", **made, **headers}


def a_body(booking_id: int, decision: str = "confirm", version: int = 1, **others: Any) -> bytes:
    return json.dumps({"booking_id": booking_id, "decision": decision, "version": version, **others}).encode()


def send(client: TestClient, body: bytes, **signing: Any) -> Any:
    return client.post(PATH, content=body, headers=signed(body, **signing))


def decide(client: TestClient, booking_id: int, decision: str = "confirm", version: int = 1, **others: Any) -> Any:
    return send(client, a_body(booking_id, decision, version, **others))


def state_of(database: Database, booking_id: int) -> tuple[str, int, str | None]:
    row = booked(database, booking_id)
    return row.state, row.version, row.decided


def kinds(database: Database, booking_id: int) -> list[str]:
    return [row.type for row in mails(database, booking_id)]


def refused(answer: Any) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


# What a decision does


def test_confirm__takes_the_table_and_tells_the_guest(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)

    answer = decide(client, order.id, reason="with pleasure", backoffice_ref="B-17")

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"booking_id": order.id, "state": "confirmed", "version": 2, "decision": "confirm"}
    row = booked(restaurant, order.id)
    assert (row.state, row.reason, row.backoffice_ref) == ("confirmed", "with pleasure", "B-17")
    assert [holder.booking_id for holder in holders(restaurant, table.id)] == [order.id]
    assert kinds(restaurant, order.id) == ["booking.requested", "booking.confirmed"]


def test_decline__tells_the_guest_and_holds_nothing(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)

    answer = decide(client, order.id, "decline", reason="a wedding")

    assert answer.json() == {"booking_id": order.id, "state": "declined", "version": 2, "decision": "decline"}
    assert booked(restaurant, order.id).reason == "a wedding"
    assert holders(restaurant, table.id) == []
    assert kinds(restaurant, order.id) == ["booking.requested", "booking.declined"]


def test_the_same_again__under_another_id__changes_nothing(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    answers = [decide(client, order.id) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert state_of(restaurant, order.id) == ("confirmed", 2, "confirm")
    assert kinds(restaurant, order.id) == ["booking.requested", "booking.confirmed"]


@pytest.mark.parametrize(("first", "second"), [("confirm", "decline"), ("decline", "confirm")])
def test_a_contradiction__is_refused(client: TestClient, restaurant: Database, first: str, second: str) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    decide(client, order.id, first)
    before = state_of(restaurant, order.id), kinds(restaurant, order.id)

    assert refused(decide(client, order.id, second)) == (409, "decision.contradictory")
    assert refused(decide(client, order.id, second, version=2)) == (409, "decision.contradictory")
    assert (state_of(restaurant, order.id), kinds(restaurant, order.id)) == before


def test_staff_decided_before__the_same_is_fine_and_the_other_contradicts(
    client: TestClient, restaurant: Database
) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}
    restaurant.write(lambda tx: accept_booking(tx, booking_id=order.id, **told))

    assert decide(client, order.id).status_code == 200
    assert refused(decide(client, order.id, "decline")) == (409, "decision.contradictory")
    assert state_of(restaurant, order.id) == ("confirmed", 2, "confirm")


@pytest.mark.parametrize("version", [1, 3])
def test_another_version_than_the_orders__is_refused(client: TestClient, restaurant: Database, version: int) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    _move(restaurant, order.id, EVENING + HOUR)

    assert refused(decide(client, order.id, version=version)) == (409, "decision.outdated")
    assert state_of(restaurant, order.id) == ("requested", 2, None)
    assert decide(client, order.id, version=2).status_code == 200


def test_late__expired__is_refused_before_and_after_the_job(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    late = NOW + dt.timedelta(days=2)

    with time_machine.travel(late, tick=False):
        early = send(client, a_body(order.id), sent_at=late)
        restaurant.write(lambda tx: expire_order(tx, booking_id=order.id, public_url=SITE, now=late))
        after = send(client, a_body(order.id), sent_at=late)

    assert [refused(answer) for answer in (early, after)] == [(409, "booking.expired")] * 2
    assert state_of(restaurant, order.id) == ("expired", 2, None)


def test_late__cancelled_by_its_guest__is_refused(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    told: dict[str, Any] = {"actor": Actor("guest"), "public_url": SITE, "now": NOW}
    restaurant.write(lambda tx: cancel_booking(tx, booking_id=order.id, **told))

    for decision in ("confirm", "decline"):
        assert refused(decide(client, order.id, decision)) == (409, "booking.cancelled")
    assert state_of(restaurant, order.id) == ("cancelled", 2, None)


def test_late__the_table_went_to_somebody_else__is_refused_with_alternatives(
    client: TestClient, restaurant: Database
) -> None:
    table = a_table(restaurant)
    first, second = (an_order(restaurant, table.id, email=f"{name}@example.org") for name in ("ada", "bob"))
    decide(client, first.id)

    answer = decide(client, second.id)

    assert refused(answer) == (409, "booking.slot_taken")
    assert all(free["id"] != table.id for free in answer.json()["alternatives"])
    assert state_of(restaurant, second.id) == ("requested", 1, None)
    assert [holder.booking_id for holder in holders(restaurant, table.id)] == [first.id]
    assert decide(client, second.id, "decline").status_code == 200


def test_late__the_table_was_closed__is_refused(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW, "is_dry_run": False}
    restaurant.write(lambda tx: close_tables(tx, closing=Closing(table.id), **told))

    assert refused(decide(client, order.id)) == (409, "booking.state_refused")
    assert state_of(restaurant, order.id) == ("declined", 2, None)


def test_confirmed_and_cancelled_since__saying_it_again_changes_nothing(
    client: TestClient, restaurant: Database
) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    decide(client, order.id)
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}
    restaurant.write(lambda tx: cancel_booking(tx, booking_id=order.id, **told))

    answer = decide(client, order.id)

    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert refused(decide(client, order.id, version=3)) == (409, "booking.cancelled")
    assert state_of(restaurant, order.id) == ("cancelled", 3, "confirm")


def test_a_booking_that_staff_made__is_not_to_be_decided(client: TestClient, restaurant: Database) -> None:
    request = OrderRequest(table_id=a_table(restaurant).id, starts_at=EVENING, party_size=2)
    made = restaurant.write(lambda tx: set_booking(tx, request=request, actor=STAFF, public_url=SITE, now=NOW))

    assert refused(decide(client, made.id, "decline")) == (409, "booking.state_refused")
    assert state_of(restaurant, made.id) == ("confirmed", 1, None)


def test_an_unknown_booking__is_not_found(client: TestClient) -> None:
    assert refused(decide(client, 2**62)) == (404, "booking.not_found")


# Who is believed


def test_either_secret__while_one_replaces_the_other__is_believed(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    body = a_body(order.id)
    secrets = [WebhookSecret.parse(each) for each in (STRANGE, OLD)]
    both = sign(secrets, message_id=ids.new_id(), sent_at=NOW, body=body)

    answers = [send(client, body, secret=OLD), send(client, body, secret=NEW)]
    answers.append(client.post(PATH, content=body, headers=both | {"Content-Type": "application/json"}))

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("minutes", [-6, 6])
def test_six_minutes_from_now__is_refused(client: TestClient, restaurant: Database, minutes: int) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    answer = send(client, a_body(order.id), sent_at=NOW + dt.timedelta(minutes=minutes))

    assert refused(answer) == (401, "webhook.signature_invalid")
    assert answer.headers["WWW-Authenticate"] == "Webhook"
    assert state_of(restaurant, order.id) == ("requested", 1, None)
    assert send(client, a_body(order.id), sent_at=NOW - dt.timedelta(minutes=4)).status_code == 200


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_is_missing__is_refused(client: TestClient, restaurant: Database, name: str) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    headers = signed(a_body(order.id))
    del headers[name]

    assert refused(client.post(PATH, content=a_body(order.id), headers=headers)) == (401, "webhook.signature_invalid")
    assert state_of(restaurant, order.id) == ("requested", 1, None)


def test_signed_by_somebody_else_or_changed_on_the_way__is_refused(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    changed = client.post(PATH, content=a_body(order.id), headers=signed(a_body(order.id, "decline")))

    for answer in (changed, send(client, a_body(order.id), secret=STRANGE)):
        assert refused(answer) == (401, "webhook.signature_invalid")
    assert state_of(restaurant, order.id) == ("requested", 1, None)


def test_headers_in_capitals__are_the_same(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    headers = {name.title(): value for name, value in signed(a_body(order.id)).items()}

    assert client.post(PATH, content=a_body(order.id), headers=headers).status_code == 200


def test_the_published_example__is_believed_and_then_read(restaurant: Database) -> None:
    settings = TablesSettings(tables_url=SITE, tables_decision_secrets=VECTOR_SECRET)
    client = TestClient(create_app(settings, database=restaurant), base_url="http://127.0.0.1:9000")
    headers = {**VECTOR_HEADERS, "Content-Type": "application/json"}

    with time_machine.travel(1614265330, tick=False):
        believed = client.post(PATH, content=VECTOR_BODY, headers=headers)
        forged = client.post(PATH, content=VECTOR_BODY + b" ", headers=headers)

    assert refused(believed) == (422, "request.invalid")
    assert refused(forged) == (401, "webhook.signature_invalid")


def test_no_secret_is_set__nobody_is_believed(restaurant: Database) -> None:
    client = TestClient(create_app(TablesSettings(tables_url=SITE), database=restaurant), base_url="http://127.0.0.1")

    with time_machine.travel(NOW, tick=False):
        assert refused(decide(client, 1)) == (401, "webhook.signature_invalid")


# What is read


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "request.unreadable"),
        (b"\xff", 400, "request.unreadable"),
        (b"[]", 422, "request.invalid"),
        (b"", 422, "request.invalid"),
        (a_body(1, "shrug"), 422, "request.invalid"),
        (a_body(0), 422, "request.invalid"),
        (a_body(1, version=0), 422, "request.invalid"),
        (a_body(1, mood="fine"), 422, "request.invalid"),
        (a_body(1, reason="x" * 501), 422, "request.invalid"),
        (a_body(1, backoffice_ref="x" * 201), 422, "request.invalid"),
        (b'{"booking_id": "1", "decision": "confirm", "version": 1}', 422, "request.invalid"),
        (b'{"booking_id": true, "decision": "confirm", "version": 1}', 422, "request.invalid"),
    ],
)
def test_a_body_that_says_nothing__is_refused_behind_its_signature(
    client: TestClient, body: bytes, status: int, code: str
) -> None:
    assert refused(send(client, body)) == (status, code)
    assert refused(send(client, body, secret=STRANGE)) == (401, "webhook.signature_invalid")


def test_another_type_than_json__is_refused_behind_its_signature(client: TestClient) -> None:
    headers = {"Content-Type": "text/plain"}

    assert refused(send(client, a_body(1), **headers)) == (415, "http.unsupported_media_type")


def test_a_wrong_field__is_pointed_at(client: TestClient) -> None:
    (error,) = send(client, a_body(1, "shrug")).json()["errors"]

    assert error["pointer"] == "#/decision"


# What came before


def test_the_same_id_again__gets_the_first_answer(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    webhook_id = ids.new_id()
    first = send(client, a_body(order.id), webhook_id=webhook_id)
    _move(restaurant, order.id, EVENING + HOUR)
    later = NOW + dt.timedelta(days=6)

    with time_machine.travel(later, tick=False):
        again = send(client, a_body(order.id), webhook_id=webhook_id, sent_at=later)

    assert (again.status_code, again.content) == (200, first.content)
    assert state_of(restaurant, order.id) == ("confirmed", 3, "confirm")


def test_the_same_id_again__gets_the_first_refusal(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    webhook_id = ids.new_id()
    first = send(client, a_body(order.id, version=9), webhook_id=webhook_id)
    for step in range(1, 9):
        _move(restaurant, order.id, EVENING + step * HOUR / 4)

    again = send(client, a_body(order.id, version=9), webhook_id=webhook_id)

    assert refused(first) == (409, "decision.outdated")
    assert (refused(again), again.content) == (refused(first), first.content)
    assert state_of(restaurant, order.id) == ("requested", 9, None)


def test_the_same_id_with_another_body__is_refused(client: TestClient, restaurant: Database) -> None:
    one, two = (an_order(restaurant, a_table(restaurant).id) for _ in range(2))
    send(client, a_body(one.id), webhook_id="one-id")

    assert refused(send(client, a_body(two.id), webhook_id="one-id")) == (422, "idempotency.key_reused")
    assert state_of(restaurant, two.id) == ("requested", 1, None)


def test_what_was_not_believed__leaves_its_id_free(client: TestClient, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    webhook_id = ids.new_id()

    send(client, a_body(order.id, "decline"), webhook_id=webhook_id, secret=STRANGE)

    assert send(client, a_body(order.id), webhook_id=webhook_id).status_code == 200


def _move(database: Database, booking_id: int, starts_at: dt.datetime) -> None:
    told: dict[str, Any] = {"starts_at": starts_at, "actor": STAFF, "public_url": SITE, "now": NOW}
    database.write(lambda tx: move_booking(tx, booking_id=booking_id, **told))

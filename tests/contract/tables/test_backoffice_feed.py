"""GET /api/backoffice/orders: the feed for back offices that poll, page by page, for machine clients alone."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, insert, select, update
from starlette.testclient import TestClient

from bookwell.kit import ids
from bookwell.tables.accounts.rules import Role
from bookwell.tables.app import create_app
from bookwell.tables.backoffice.rules import cursor_of
from bookwell.tables.bookings.models import feed_event, feed_head
from bookwell.tables.bookings.services.publishing import forget_events, place_events
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.receivers import Reply, receiver
from tests.restaurant import NOW, SITE, a_table, an_order, tables_url
from tests.waiters import Outside, bearer

PATH = "/api/backoffice/orders"
SCOPE = "bookings:read"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A restaurant of its own: a feed with nothing in it, whose back office is called, too."""
    with tables_url(tmp_path) as url:
        database = Database.of_url(url, backoffice="office")
        yield database
        database.engine.dispose()


@pytest.fixture
def issuer(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "keys", "https://id.example.org")


@pytest.fixture
def client(own: Database, issuer: Outside, tmp_path: Path) -> Iterator[TestClient]:
    """The service, at `tests.restaurant.NOW`, which believes the issuer's machine clients."""
    jwks = json.dumps(issuer.ring.jwks()).encode()
    with receiver(usual=Reply(200, {"Content-Type": "application/json"}, body=jwks)) as keys:
        named = f'[{{"issuer": "{issuer.issuer}", "audience": "bookwell", "jwks_url": "{keys.url}"}}]'
        settings = TablesSettings(tables_url=SITE, data_dir=tmp_path, issuers=named)
        with (
            time_machine.travel(NOW, tick=False),
            TestClient(create_app(settings, database=own), base_url="http://127.0.0.1:9000") as client,
        ):
            yield client


def read(client: TestClient, issuer: Outside, **query: Any) -> Any:
    headers = {"Authorization": f"Bearer {issuer.client_token(SCOPE)}"}
    return client.get(PATH, params=query, headers=headers)


def test_orders__a_machine_client__reads_every_event_once(client: TestClient, issuer: Outside, own: Database) -> None:
    table = a_table(own, price=2499)
    orders = [an_order(own, table.id).id for _ in range(5)]

    first = read(client, issuer, limit=3)
    second = read(client, issuer, after=first.json()["next"], limit=3)
    third = read(client, issuer, after=second.json()["next"], limit=3)

    assert [answer.status_code for answer in (first, second, third)] == [200, 200, 200]
    items = first.json()["items"] + second.json()["items"]
    assert [item["data"]["booking_id"] for item in items] == orders
    assert {(item["type"], item["timestamp"]) for item in items} == {("booking.requested", "2030-05-06T10:00:00Z")}
    assert items[0]["data"]["price"] == 24.99
    assert items[0]["data"]["table"] == {"id": table.id, "name": table.name, "table_type": "regular", "seats": 4}
    assert third.json() == {"items": [], "next": second.json()["next"]}
    assert first.headers["Cache-Control"] == "no-store"


def test_orders__with_a_final_slash__is_the_same(client: TestClient, issuer: Outside) -> None:
    headers = {"Authorization": f"Bearer {issuer.client_token(SCOPE)}"}

    assert client.get(PATH + "/", headers=headers).json() == read(client, issuer).json()


def test_orders__nothing_yet__gives_a_cursor_to_come_back_with(
    client: TestClient, issuer: Outside, own: Database
) -> None:
    empty = read(client, issuer).json()
    order = an_order(own, a_table(own).id)

    again = read(client, issuer, after=empty["next"]).json()

    assert empty["items"] == []
    assert [item["data"]["booking_id"] for item in again["items"]] == [order.id]


def test_orders__more_than_a_page_may_hold__is_capped(client: TestClient, issuer: Outside, own: Database) -> None:
    order = an_order(own, a_table(own).id)
    own.write(lambda tx: tx.execute(insert(feed_event), [_another(order.id, version) for version in range(2, 202)]))

    assert len(read(client, issuer, limit=1000).json()["items"]) == 200
    assert len(read(client, issuer).json()["items"]) == 50


@pytest.mark.parametrize("cursor", ["nonsense", cursor_of(7), "x" * 65])
def test_orders__a_cursor_of_somewhere_else__is_refused(client: TestClient, issuer: Outside, cursor: str) -> None:
    answer = read(client, issuer, after=cursor)

    assert answer.status_code == 422
    assert answer.json()["code"] == ("request.invalid" if len(cursor) > 64 else "feed.cursor_unknown")


def test_orders__what_is_behind_the_cursor_is_forgotten__says_so(
    client: TestClient, issuer: Outside, own: Database
) -> None:
    start = read(client, issuer).json()["next"]
    an_order(own, a_table(own).id)
    own.write(lambda tx: forget_events(tx, before=NOW + dt.timedelta(days=1)))

    answer = read(client, issuer, after=start)

    assert (answer.status_code, answer.json()["code"]) == (409, "feed.cursor_forgotten")
    assert read(client, issuer).json()["items"] == []


def test_orders__after_a_restore_that_skipped_places__goes_on_behind_them(
    client: TestClient, issuer: Outside, own: Database
) -> None:
    table = a_table(own)
    orders = [an_order(own, table.id).id for _ in range(3)]
    read(client, issuer)
    own.write(lambda tx: tx.execute(update(feed_head).values(position=feed_head.c.position + 100_000)))

    first = read(client, issuer, limit=2).json()
    second = read(client, issuer, after=first["next"], limit=2).json()
    nothing = read(client, issuer, after=second["next"])
    fresh = an_order(own, table.id).id
    behind = [read(client, issuer, after=cursor) for cursor in (nothing.json()["next"], cursor_of(70_000))]

    assert [item["data"]["booking_id"] for item in first["items"] + second["items"]] == orders
    assert (nothing.status_code, nothing.json()["items"]) == (200, [])
    assert [[item["data"]["booking_id"] for item in answer.json()["items"]] for answer in behind] == [[fresh], [fresh]]


def test_forget__places_that_a_restore_skipped__are_passed_over_at_once(own: Database) -> None:
    table, late = a_table(own), NOW + dt.timedelta(days=1)
    an_order(own, table.id)
    own.write(place_events)
    own.write(lambda tx: tx.execute(update(feed_head).values(position=feed_head.c.position + 100_000)))
    an_order(own, table.id)

    counts = [own.write(lambda tx: forget_events(tx, before=late, limit=1)) for _ in range(4)]

    assert own.read(lambda tx: tx.scalar(select(func.count()).select_from(feed_event))) == 0
    assert own.read(lambda tx: tx.scalar(select(feed_head.c.forgotten))) == 100_002
    assert counts[-1] == 0


@pytest.mark.parametrize("limit", [0, -1, "many"])
def test_orders__a_limit_that_is_none__is_refused(client: TestClient, issuer: Outside, limit: Any) -> None:
    assert read(client, issuer, limit=limit).status_code == 422


def test_orders__nobody_or_somebody_else__is_refused(client: TestClient, issuer: Outside) -> None:
    other_scope = {"Authorization": f"Bearer {issuer.client_token('reservations:write')}"}
    person = bearer(client.app.state.site, Role.ADMIN)  # type: ignore[attr-defined]  # Starlette's application

    answers = [client.get(PATH, headers=headers) for headers in ({}, other_scope, person)]

    assert [answer.status_code for answer in answers] == [401, 403, 403]
    assert answers[0].headers["WWW-Authenticate"].startswith("Bearer")
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/problem+json"}


def _another(booking_id: int, version: int) -> dict[str, Any]:
    told = {"event_id": ids.new_id(), "type": "booking.changed", "at": 0, "data": "{}"}
    return {"booking_id": booking_id, "version": version, **told}

"""Who may do what: every operation of the OpenAPI document with every caller, against a table written by hand.

The table is the specification's; an operation that is missing here fails. Every caller gets rows of its own.
"""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import Connection, insert, select
from starlette.testclient import TestClient

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.accounts.rules import Role
from bookwell.tables.app import create_app
from bookwell.tables.bookings.models import booking, guest_token, outbox
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import State, TokenPurpose
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.unsubscribing import keep_reminder_link_in_tx
from bookwell.tables.db import Database
from bookwell.tables.floor.models import closure, dining_table, restaurant, table_price
from bookwell.tables.floor.rules import House
from bookwell.tables.settings import TablesSettings
from bookwell.tables.site import Site
from bookwell.tables.staffing import add_client
from tests.receivers import Reply, receiver
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, tables_database
from tests.waiters import Outside, a_person, token_of

CALLERS = ("none", "garbage", "reader", "staff", "admin", "client", "client with the scope")
EVERYONE = (200,) * 7
ANYBODY_GOOD = (201, 401, 201, 201, 201, 201, 201)
ANYBODY_ENDS = (204,) * 7
ONLY_STAFF = (401, 401, 403, 200, 200, 403, 403)
ONLY_STAFF_MAKES = (401, 401, 403, 201, 201, 403, 403)
NOT_WITH_A_BEARER = (200,) + (400,) * 6
ONLY_CLIENTS = (401, 401, 403, 403, 403, 403, 200)
SIGNED = (401,) * 7

EITHER_PLACE = ("POST /api/admin/", "POST /api/customer/book_table/")
PASSWORD = "wild strawberries 7"
_WATCHED = (booking, dining_table, table_price, closure, restaurant, outbox)


@dataclass(frozen=True, slots=True)
class World:
    """The service with its database, and a token of each caller."""

    client: TestClient
    site: Site
    tokens: dict[str, str]

    @property
    def database(self) -> Database:
        """The restaurant's."""
        return self.site.database

    def table(self) -> int:
        """The id of a new table."""
        return a_table(self.database).id

    def order(self) -> Any:
        """A new order of a table of its own."""
        return an_order(self.database, self.table())

    def confirmed(self) -> Any:
        """One that was accepted."""
        wanted: dict[str, Any] = {"booking_id": self.order().id, "actor": STAFF, "public_url": SITE, "now": NOW}
        return self.database.write(lambda connection: accept_booking(connection, **wanted))

    def link(self, purpose: TokenPurpose) -> dict[str, Any]:
        """The parameters of a guest's link."""
        token = secrets.token_urlsafe(32)
        row = {"booking_id": self.order().id, "purpose": purpose, "expires_at": milliseconds(EVENING)}
        self.database.write(lambda c: c.execute(insert(guest_token).values(digest=digest_of(token), **row)))
        return {"id": token}

    def reminder(self) -> dict[str, Any]:
        """The parameters of a reminder's link."""
        token, booked = secrets.token_urlsafe(32), self.order()
        self.database.write(lambda c: keep_reminder_link_in_tx(c, token=token, booked=booked))
        return {"id": token}

    def tokens_of_somebody(self) -> dict[str, Any]:
        """The answer to a log-in."""
        answer = self.client.post("/api/token/", json=credentials(self))
        tokens: dict[str, Any] = answer.json()
        return tokens

    def rows(self) -> dict[str, list[Any]]:
        """Every row that a request might change."""

        def read(connection: Connection) -> dict[str, list[Any]]:
            return {
                table.name: list(connection.execute(select(table).order_by(*table.primary_key))) for table in _WATCHED
            }

        return self.database.read(read)


Content = Callable[[World], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation: the status for each of `CALLERS`, and what to send."""

    expected: tuple[int, ...]
    body: Content | None = None
    query: Content = field(default=lambda _world: {})
    is_form: bool = False


def credentials(world: World) -> dict[str, Any]:
    return {"username": a_person(world.site, password=PASSWORD), "password": PASSWORD}


def a_refresh_token(world: World) -> dict[str, Any]:
    return {"refresh": world.tokens_of_somebody()["refresh"]}


def a_client(world: World) -> dict[str, Any]:
    new = add_client(world.database, name=uuid4().hex, scopes=["bookings:read"], now=NOW)
    return {"grant_type": "client_credentials", "client_id": new.client_id, "client_secret": new.secret}


def a_new_booking(world: World) -> dict[str, Any]:
    guest = f"{uuid4().hex}@example.org"
    return {"id": world.table(), "starts_at": EVENING.isoformat(), "party_size": 2, "email": guest}


def the_table(world: World) -> dict[str, Any]:
    return {"id": world.table()}


def the_order(world: World) -> dict[str, Any]:
    return {"id": world.order().id}


TABLE: dict[str, Call] = {
    "GET /api/customer/view_tables/": Call(EVERYONE),
    "POST /api/customer/book_table/": Call(ANYBODY_GOOD, a_new_booking),
    "GET /api/customer/booking/": Call(EVERYONE, query=lambda world: world.link(TokenPurpose.VIEW)),
    "GET /api/customer/cancel_booking/": Call(EVERYONE, query=lambda world: world.link(TokenPurpose.CANCEL)),
    "POST /api/customer/cancel_booking/": Call(EVERYONE, query=lambda world: world.link(TokenPurpose.CANCEL)),
    "GET /api/customer/unsubscribe/": Call(EVERYONE, query=World.reminder),
    "POST /api/customer/unsubscribe/": Call(EVERYONE, query=World.reminder),
    "POST /api/token/": Call(EVERYONE, credentials),
    "POST /api/token/refresh/": Call(EVERYONE, a_refresh_token),
    "POST /api/token/logout/": Call(ANYBODY_ENDS, a_refresh_token),
    "POST /identity/o/api/token": Call(NOT_WITH_A_BEARER, a_client, is_form=True),
    "POST /api/admin/add_table/": Call(ONLY_STAFF_MAKES, lambda _world: {"seats": 4}),
    "POST /api/admin/update_table/": Call(ONLY_STAFF, lambda world: {"id": world.table(), "seats": 6}),
    "POST /api/admin/set_price/": Call(ONLY_STAFF, lambda world: {"id": world.table(), "price": 30}),
    "POST /api/admin/remove_table/": Call(ONLY_STAFF, the_table),
    "POST /api/admin/close_table/": Call(ONLY_STAFF, the_table),
    "POST /api/admin/open_table/": Call(ONLY_STAFF, the_table),
    "GET /api/admin/settings/": Call(ONLY_STAFF),
    "PUT /api/admin/settings/": Call(ONLY_STAFF, lambda _world: House(name=uuid4().hex).model_dump(mode="json")),
    "POST /api/admin/set_booking/": Call(ONLY_STAFF_MAKES, a_new_booking),
    "POST /api/admin/accept_booking/": Call(ONLY_STAFF, the_order),
    "POST /api/admin/decline_booking/": Call(ONLY_STAFF, the_order),
    "POST /api/admin/cancel_booking/": Call(ONLY_STAFF, the_order),
    "POST /api/admin/move_booking/": Call(ONLY_STAFF, lambda world: {"id": world.order().id, "duration": 60}),
    "POST /api/admin/mark_booking/": Call(
        ONLY_STAFF, lambda world: {"id": world.confirmed().id, "state": State.SEATED}
    ),
    "GET /api/admin/view_active_bookings/": Call(ONLY_STAFF),
    "GET /api/admin/view_booking_history/": Call(ONLY_STAFF, query=the_order),
    "POST /api/backoffice/decisions": Call(
        SIGNED, lambda world: {"booking_id": world.order().id, "decision": "confirm", "version": 1}
    ),
    "GET /api/backoffice/orders": Call(ONLY_CLIENTS),
}


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("roles")
    with receiver() as server, tables_database(folder) as database, time_machine.travel(NOW, tick=False):
        outside = Outside(folder / "outside", server.origin)
        server.usual = Reply(200, body=json.dumps(outside.ring.jwks()).encode())
        named = {"issuer": server.origin, "audience": "bookwell", "jwks_url": f"{server.origin}/jwks.json"}
        settings = TablesSettings(data_dir=folder, issuers=json.dumps([named]), rate_limit_per_minute=0)
        client = TestClient(create_app(settings, database=database), base_url="http://127.0.0.1:9000")
        site: Site = client.app.state.site  # type: ignore[attr-defined]  # Starlette's application
        tokens = {
            "garbage": "not.a.token",
            **{role.value: token_of(site, role) for role in Role},
            "client": outside.client_token("availability:read"),
            "client with the scope": outside.client_token("bookings:read"),
        }
        yield World(client, site, tokens)


@pytest.fixture
def world(_served: World) -> Iterator[World]:
    with time_machine.travel(NOW, tick=False):
        yield _served


def ask(world: World, label: str, caller: str) -> int:
    method, path = label.split(" ")
    call, token = TABLE[label], world.tokens.get(caller)
    body = call.body(world) if call.body else None
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    query, before = call.query(world), world.rows()
    sent: dict[str, Any] = {"data": body} if call.is_form else {"json": body}
    answer = world.client.request(method, path, params=query, headers=headers, **sent)
    if answer.status_code >= 400:
        assert answer.headers["Content-Type"] == f"application/{'json' if call.is_form else 'problem+json'}"
        assert world.rows() == before, "a refusal changed something"
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"]
    return answer.status_code


def test_table__names_every_operation_and_no_other(world: World) -> None:
    document = world.client.get("/openapi.json").json()

    assert set(TABLE) == {f"{method.upper()} {path}" for path, ways in document["paths"].items() for method in ways}


@pytest.mark.parametrize("label", sorted(TABLE))
def test_operation__by_everyone__answers_as_in_the_table(label: str, world: World) -> None:
    seen = tuple(ask(world, label, caller) for caller in CALLERS)

    assert dict(zip(CALLERS, seen, strict=True)) == dict(zip(CALLERS, TABLE[label].expected, strict=True))


@pytest.mark.parametrize("place", ["id in the query", "all in the query"])
@pytest.mark.parametrize("label", [label for label in sorted(TABLE) if label.startswith(EITHER_PLACE)])
def test_operation__parameters_in_the_query_and_no_final_slash__answers_the_same(
    label: str, place: str, world: World
) -> None:
    method, path = label.removesuffix("/").split(" ")
    content, headers = TABLE[label].body, {"Authorization": f"Bearer {world.tokens['admin']}"}
    sent = content(world) if content else {}
    query = {name: value for name, value in sent.items() if name == "id" or place == "all in the query"}
    body = {name: value for name, value in sent.items() if name not in query}
    asked: dict[str, Any] = {"params": query, "json": body or None, "headers": headers}

    answer = world.client.request(method, path, **asked, follow_redirects=False)

    assert answer.status_code == TABLE[label].expected[CALLERS.index("admin")], answer.text


@pytest.mark.parametrize("label", sorted(TABLE))
def test_document__says_where_a_token_is_needed(label: str, world: World) -> None:
    method, path = label.split(" ")
    operation = world.client.get("/openapi.json").json()["paths"][path][method.lower()]

    needs_one = TABLE[label].expected in {ONLY_STAFF, ONLY_STAFF_MAKES, ONLY_CLIENTS}
    assert operation.get("security", []) == ([{"bearer": []}] if needs_one else [])
    assert ({"401", "403"} <= operation["responses"].keys()) is needs_one

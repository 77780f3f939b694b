"""The whole OpenAPI document, fuzzed in process: no 5xx, no undocumented status, every error a problem document."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import time_machine
from fastapi import FastAPI
from hypothesis import strategies
from sqlalchemy import insert

from bookwell.kit.ids import new_id
from bookwell.kit.webhooks import WebhookSecret, sign
from bookwell.tables.accounts.passwords import hash_password
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services.clients import add_client
from bookwell.tables.app import create_app
from bookwell.tables.bookings.models import guest_token
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import TokenPurpose
from bookwell.tables.bookings.services.unsubscribing import keep_reminder_link_in_tx
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.contract.fuzzing import CHECKS, cases, fuzzed, operations_of
from tests.receivers import Reply, receiver
from tests.restaurant import EVENING, NOW, SITE, a_table, an_order, tables_database
from tests.waiters import Outside, token_of

ISSUER = "https://id.example.org"
DOCUMENT: Any = create_app(TablesSettings()).openapi()
LABELS = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
PEOPLE = (Role.STAFF, "machine", Role.ADMIN, "nobody", Role.READER, "machine", Role.STAFF)
SECRET = "whsec_" + 10 * "TmV3"
KNOWN: dict[str, list[Any]] = {
    "id": [1, 2, 3, "cancel", "view", "mails"],
    "table_id": [1, 2],
    "booking_id": [1, 2, 3],
    "starts_at": ["2030-05-07T18:00:00", "2030-05-08T18:00:00+02:00", "2030-10-27T02:30:00"],
    "party_size": [2, 4],
    "price": [25.5, 30],
    "email": ["ada@example.org"],
    "version": [1, 2],
    "duration": [90],
    "client_id": ["a-client"],
    "client_secret": ["a secret"],
    "scope": ["bookings:read"],
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The service with two tables and some orders; its links' tokens are the names of their purposes."""
    folder = Path(tmp_path_factory.mktemp("fuzzed"))
    issuer = Outside(folder / "keys", ISSUER)
    jwks = json.dumps(issuer.ring.jwks()).encode()
    with (
        tables_database(folder) as database,
        receiver(usual=Reply(200, {"Content-Type": "application/json"}, body=jwks)) as keys,
        time_machine.travel(NOW, tick=False),
    ):
        named = f'[{{"issuer": "{ISSUER}", "audience": "bookwell", "jwks_url": "{keys.url}"}}]'
        settings = TablesSettings(
            tables_url=SITE, issuers=named, data_dir=folder, tables_decision_secrets=SECRET, tables_demo=True
        )
        app = create_app(settings, database=database)
        _furnish(database)
        app.state.people = {role: token_of(app.state.site, role) for role in Role}
        app.state.people["machine"] = issuer.client_token("bookings:read")
        yield app


def _furnish(database: Database) -> None:
    tables = [a_table(database) for _ in range(2)]
    orders = [an_order(database, tables[n % 2].id, starts_at=EVENING + dt.timedelta(days=n)) for n in range(3)]
    rows = [
        {"digest": digest_of(str(purpose)), "booking_id": orders[2].id, "purpose": purpose, "expires_at": 2**62}
        for purpose in TokenPurpose
    ]
    database.write(lambda connection: connection.execute(insert(guest_token), rows))
    database.write(lambda connection: keep_reminder_link_in_tx(connection, token="mails", booked=orders[2]))
    program = {"client_id": "a-client", "name": "a client", "secret_hash": hash_password("a secret")}
    database.write(lambda connection: add_client(connection, scopes=["bookings:read"], now=NOW, **program))


@pytest.fixture(scope="module")
def operations(app: FastAPI) -> dict[str, Any]:
    return operations_of(DOCUMENT, _signing(app))


def _signing(app: FastAPI) -> Any:
    """The application behind a back office that signs what it is told to; schemathesis writes the bodies."""

    async def signing(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or (b"x-sign", b"yes") not in scope["headers"]:
            await app(scope, receive, send)
            return
        message = await receive()
        signed = sign([WebhookSecret.parse(SECRET)], message_id=new_id(), sent_at=NOW, body=message.get("body", b""))
        headers = [pair for pair in scope["headers"] if not pair[0].startswith(b"webhook-")]
        headers += [(name.encode(), value.encode()) for name, value in signed.items()]
        waiting = iter([message])

        async def again() -> Any:
            return next(waiting, None) or await receive()

        await app({**scope, "headers": headers}, again, send)

    return signing


@pytest.mark.parametrize("label", LABELS)
def test_operation__whatever_is_sent__answers_as_documented(
    label: str, operations: dict[str, Any], app: FastAPI
) -> None:
    operation = operations[label]
    can_be_wrong = bool(operation.body or operation.query)
    requests = cases(operation, known=KNOWN, places=("query", "body"), known_of_four=3, can_be_wrong=can_be_wrong)

    @fuzzed(40)
    @hypothesis.given(case=requests, person=strategies.sampled_from(PEOPLE))
    def fuzz(case: Any, person: str) -> None:
        token = app.state.people.get(person)
        headers = {"X-Request-ID": "fuzz", "X-Sign": "yes" if token else "no"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        response = case.call(headers=headers, base_url="http://localhost")
        case.validate_response(response, checks=CHECKS, headers=headers)

    fuzz()

"""The Postman files: as fresh as the document, in Postman's shape, and every request of them is one we take."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import pytest
import time_machine
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy import insert
from starlette.testclient import TestClient

from bookwell.kit.ids import new_id
from bookwell.kit.webhooks import WebhookSecret, sign
from bookwell.tables.accounts.rules import Role
from bookwell.tables.app import create_app
from bookwell.tables.bookings.models import guest_token
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import TokenPurpose
from bookwell.tables.bookings.services.unsubscribing import keep_reminder_link_in_tx
from bookwell.tables.db import Database
from bookwell.tables.postman.collection import collection_of, postman_files
from bookwell.tables.settings import TablesSettings
from bookwell.tables.staffing import add_client
from tests.receivers import Reply, receiver
from tests.restaurant import EVENING, NOW, SITE, a_table, an_order, tables_database
from tests.waiters import Outside, a_person

FOLDER = Path("postman")
SECRET = "whsec_" + 10 * "TmV3"
PASSWORD = "wild strawberries 7"
NOT_OURS_TO_SEND = {400, 401, 403, 404, 405, 406, 411, 413, 415, 422}

ONE_BOOKING_CANNOT_TAKE_ALL = {"Accept Booking", "Decline Booking", "Move Booking", "Mark Booking", "Decide"}


class _Shape(BaseModel):
    """What Postman's format 2.1 has; nothing else."""

    model_config = ConfigDict(extra="forbid")


class Pair(_Shape):
    key: str
    value: str
    type: str = "string"
    description: str = ""
    disabled: bool = False


class Script(_Shape):
    type: Literal["text/javascript"]
    exec: list[str]


class Event(_Shape):
    listen: Literal["prerequest", "test"]
    script: Script


class Auth(_Shape):
    type: Literal["bearer", "noauth"]
    bearer: list[Pair] = []


class Url(_Shape):
    raw: str = Field(pattern=r"^\{\{base_url\}\}/")
    host: list[Literal["{{base_url}}"]]
    path: list[str]
    query: list[Pair] = []


class Body(_Shape):
    mode: Literal["raw", "urlencoded"]
    raw: str = ""
    urlencoded: list[Pair] = []
    options: dict[str, Any] = {}


class Request(_Shape):
    method: Literal["GET", "POST", "PUT"]
    header: list[Pair]
    url: Url
    description: str = Field(min_length=1)
    auth: Auth
    body: Body | None = None


class Item(_Shape):
    name: str = Field(min_length=1)
    request: Request
    response: list[Any]
    event: list[Event] = []


class Folder(_Shape):
    name: str
    description: str
    item: list[Item] = Field(min_length=1)


class Info(_Shape):
    name: str
    description: str
    postman_id: str = Field(alias="_postman_id", pattern=r"^[0-9a-f-]{36}$")
    format: Literal["https://schema.getpostman.com/json/collection/v2.1.0/collection.json"] = Field(alias="schema")


class Collection(_Shape):
    info: Info
    auth: Auth
    event: list[Event]
    item: list[Folder]

    @property
    def requests(self) -> list[Item]:
        return [item for folder in self.item for item in folder.item]


class Value(_Shape):
    key: str
    value: str
    type: Literal["default", "secret"]
    enabled: bool


class Environment(_Shape):
    id: str
    name: str
    values: list[Value]
    scope: Literal["environment"] = Field(alias="_postman_variable_scope")


def _read() -> tuple[Collection, Environment]:
    texts = [(FOLDER / f"bookwell-tables.postman_{what}.json").read_bytes() for what in ("collection", "environment")]
    return Collection.model_validate_json(texts[0]), Environment.model_validate_json(texts[1])


@dataclass(slots=True)
class Postman:
    """Does what Postman would with a request; what its scripts keep is kept here by hand."""

    client: TestClient
    known: dict[str, str]

    def fill(self, text: str) -> str:
        return re.sub(r"\{\{([^}]+)\}\}", lambda found: self.known[found[1]], text)

    def send(self, item: Item) -> Any:
        asked = item.request
        headers = {pair.key: self.fill(pair.value) for pair in asked.header if not pair.disabled}
        if asked.auth.type == "bearer":
            headers["Authorization"] = f"Bearer {self.fill(asked.auth.bearer[0].value)}"
        body = self._body_of(asked)
        if body and any("CryptoJS" in line for event in item.event for line in event.script.exec):
            headers |= sign([WebhookSecret.parse(SECRET)], message_id=new_id(), sent_at=NOW, body=body)
        url = self.fill(asked.url.raw)
        assert url.partition("?")[0] == self.known["base_url"] + "/" + "/".join(asked.url.path)
        answer = self.client.request(asked.method, url, headers=headers, content=body)
        self._keep(item, answer)
        return answer

    def _body_of(self, asked: Request) -> bytes | None:
        if asked.body is None:
            return None
        if asked.body.mode == "urlencoded":
            return urlencode({pair.key: self.fill(pair.value) for pair in asked.body.urlencoded}).encode()
        return self.fill(asked.body.raw).encode()

    def _keep(self, item: Item, answer: Any) -> None:
        kept = re.findall(r'pm\.environment\.set\("(\w+)", (.+?)\);', json.dumps(_script_of(item)).replace('\\"', '"'))
        for name, value in kept:
            member = value.rpartition(".")[2]
            if "tables[0]" in value:
                self.known[name] = str(answer.json()[0][member])
            else:
                self.known[name] = answer.text if "text(" in value else str(answer.json()[member])


def _script_of(item: Item) -> list[str]:
    return [line for event in item.event for line in event.script.exec]


@pytest.fixture
def postman(tmp_path: Path) -> Iterator[Postman]:
    """A service with a table, a booking whose guest has every link, a member of staff and a machine client."""
    issuer = Outside(tmp_path / "keys", "https://id.example.org")
    jwks = json.dumps(issuer.ring.jwks()).encode()
    with (
        tables_database(tmp_path) as database,
        receiver(usual=Reply(200, {"Content-Type": "application/json"}, body=jwks)) as keys,
        time_machine.travel(NOW, tick=False),
    ):
        named = f'[{{"issuer": "{issuer.issuer}", "audience": "bookwell", "jwks_url": "{keys.url}"}}]'
        settings = TablesSettings(
            tables_url=SITE, tables_decision_secrets=SECRET, issuers=named, data_dir=tmp_path, tables_demo=True
        )
        app = create_app(settings, database=database)
        program = add_client(database, name="Back office", scopes=["bookings:read"], now=NOW)
        values = {value.key: value.value for value in _read()[1].values}
        values |= _links(database) | {
            "username": a_person(app.state.site, Role.STAFF, password=PASSWORD),
            "password": PASSWORD,
            "client_id": program.client_id,
            "client_secret": program.secret,
            "starts_at": "2030-05-07T18:00:00",
            "ends_at": "2030-05-07T20:00:00",
        }
        with TestClient(app, base_url=values["base_url"], client=("127.0.0.1", 5)) as client:
            yield Postman(client, values)


def _links(database: Database) -> dict[str, str]:
    order = an_order(database, a_table(database).id, starts_at=EVENING + dt.timedelta(days=1))
    purposes = {"cancel": TokenPurpose.CANCEL, "view": TokenPurpose.VIEW}
    rows = [
        {"digest": digest_of(name), "booking_id": order.id, "purpose": purpose, "expires_at": order.ends_at}
        for name, purpose in purposes.items()
    ]
    database.write(lambda connection: connection.execute(insert(guest_token), rows))
    database.write(lambda connection: keep_reminder_link_in_tx(connection, token="reminders", booked=order))
    return {f"{name}_token": name for name in (*purposes, "reminders")}


def test_files__are_as_the_document_says() -> None:
    fresh = postman_files(create_app(TablesSettings()).openapi())

    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert kept == fresh, "run: python -m bookwell.tables.postman"


def test_files__have_postmans_shape_and_know_every_variable() -> None:
    collection, environment = _read()
    set_by_scripts = {"starts_at", "ends_at", "$guid"}
    known = {value.key for value in environment.values} | set_by_scripts

    used = set(re.findall(r"\{\{([^}]+)\}\}", collection.model_dump_json()))

    assert used <= known
    assert {"base_url", "username", "password", "token"} <= known
    assert not any(value.value for value in environment.values if value.type == "secret")
    assert len({value.key for value in environment.values}) == len(environment.values)


def test_collection__has_every_operation_once() -> None:
    document = create_app(TablesSettings()).openapi()
    collection, _ = _read()

    sent = [f"{item.request.method} /{'/'.join(item.request.url.path)}" for item in collection.requests]

    assert sorted(sent) == sorted(f"{m.upper()} {path}" for path, methods in document["paths"].items() for m in methods)


def test_collection__an_operation_without_an_example__is_not_written() -> None:
    document = create_app(TablesSettings()).openapi()
    paths = document["paths"] | {"/api/new/": {"get": {}}}

    with pytest.raises(ValueError, match="GET /api/new/"):
        collection_of(document | {"paths": paths})


def test_collection__sent_as_it_is__is_taken(postman: Postman) -> None:
    collection, _ = _read()

    answers = {item.name: postman.send(item) for item in collection.requests}

    statuses = {name: answer.status_code for name, answer in answers.items()}
    wrong = {name: answers[name].text for name, status in statuses.items() if status in NOT_OURS_TO_SEND}
    assert not wrong, wrong
    assert all(status < 500 for status in statuses.values()), statuses
    assert {name for name, status in statuses.items() if status >= 300} <= ONE_BOOKING_CANNOT_TAKE_ALL, statuses
    TypeAdapter(list[dict[str, Any]]).validate_python(answers["View Tables"].json())

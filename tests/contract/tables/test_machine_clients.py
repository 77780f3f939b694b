"""Programs of the restaurant's own: how they prove who they are, what their tokens open, and for how long."""

import base64
import datetime as dt
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit.machine_clients import NewClient
from bookwell.tables.accounts.services.clients import revoke_client
from bookwell.tables.app import create_app
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from bookwell.tables.staffing import add_client, rotate_secret
from tests.contract.tables.serving import served
from tests.restaurant import NOW, a_table, an_order

TOKEN = "/identity/o/api/token"
FEED = "/api/backoffice/orders"
_NUMBERS = count(1)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def client(restaurant: Database) -> Iterator[TestClient]:
    """From an address that nobody else has been wrong from."""
    address = f"2001:db8::{next(_NUMBERS):x}:0:0:0:1"
    with time_machine.travel(NOW, tick=False), served(restaurant, address=address) as client:
        yield client


@pytest.fixture
def program(restaurant: Database) -> NewClient:
    return a_program(restaurant)


def a_program(database: Database, name: str = "") -> NewClient:
    return add_client(database, name=name or uuid4().hex, scopes=["bookings:read"], now=NOW)


def ask(client: TestClient, program: NewClient, *, secret: str = "", **form: Any) -> Any:
    told = {"grant_type": "client_credentials", "client_id": program.client_id}
    return client.post(TOKEN, data={**told, "client_secret": secret or program.secret, **form})


def token_of(client: TestClient, program: NewClient) -> dict[str, str]:
    answer = ask(client, program)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_token__reads_the_feed_to_its_end(client: TestClient, restaurant: Database, program: NewClient) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    headers, seen, cursor = token_of(client, program), [], ""

    while items := (page := client.get(FEED, params={"after": cursor, "limit": 200}, headers=headers).json())["items"]:
        seen += [item["data"]["booking_id"] for item in items]
        cursor = page["next"]

    assert seen[-1] == order.id


def test_token__by_form_or_basic__has_the_shape_of_oauth(client: TestClient, program: NewClient) -> None:
    basic = base64.b64encode(f"{program.client_id}:{program.secret}".encode()).decode()
    form = {"grant_type": "client_credentials"}

    answers = [
        ask(client, program, scope="bookings:read"),
        client.post(f"{TOKEN}/", data=form, headers={"Authorization": f"Basic {basic}"}),
    ]

    for answer in answers:
        content = answer.json()
        assert content.pop("access_token").count(".") == 2
        assert content == {"token_type": "Bearer", "expires_in": 300, "scope": "bookings:read"}
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "nobody", "client_secret": "y"}, 401, "invalid_client"),
        ({"client_secret": "y"}, 401, "invalid_client"),
        ({"client_id": "x\0", "client_secret": "y"}, 400, "invalid_request"),
        ({"client_id": ["x", "z"], "client_secret": "y"}, 400, "invalid_request"),
        ({"client_id": "x", "client_secret": "y", "grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "x", "client_secret": "y", "grant_type": ""}, 400, "invalid_request"),
    ],
)
def test_token__refusals__have_the_shape_of_oauth(
    client: TestClient, form: dict[str, Any], status: int, error: str
) -> None:
    answer = client.post(TOKEN, data={"grant_type": "client_credentials", **form})

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


def test_token__a_scope_that_the_client_has_not__is_refused(client: TestClient, program: NewClient) -> None:
    answer = ask(client, program, scope="bookings:read reservations:write")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff", b"&".join([b"a=b"] * 21)])
def test_token__a_form_that_cannot_be_read__is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post(TOKEN, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_token__five_wrong_secrets__lock_the_program_out_like_a_log_in(client: TestClient, program: NewClient) -> None:
    wrong = [ask(client, program, secret="wrong").status_code for _ in range(5)]

    locked = ask(client, program)

    assert wrong == [401] * 5
    assert (locked.status_code, locked.json()["code"]) == (429, "auth.locked_out")
    assert int(locked.headers["Retry-After"]) > 0
    with time_machine.travel(NOW + dt.timedelta(minutes=5), tick=False):
        assert ask(client, program).status_code == 200


def test_token__too_many_requests__are_refused_before_they_cost_anything(
    restaurant: Database, program: NewClient
) -> None:
    with time_machine.travel(NOW, tick=False), served(restaurant, address="192.0.2.9", rate_limit_per_minute=1) as few:
        answers = [ask(few, program) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["code"] == "http.too_many_requests"


def test_rotate__both_secrets_are_good_for_a_while__then_the_new_one_alone(
    client: TestClient, restaurant: Database, program: NewClient
) -> None:
    fresh = rotate_secret(restaurant, name=program.client_id, both_for=HOUR, now=NOW)

    now = [ask(client, each).status_code for each in (program, fresh)]
    with time_machine.travel(NOW + HOUR, tick=False):
        later = [ask(client, each).status_code for each in (program, fresh)]

    assert fresh.client_id == program.client_id
    assert (now, later) == ([200, 200], [401, 200])


def test_rotate__without_a_while__the_former_secret_is_over(
    client: TestClient, restaurant: Database, program: NewClient
) -> None:
    fresh = rotate_secret(restaurant, name=program.client_id, both_for=0 * HOUR, now=NOW)

    assert [ask(client, each).status_code for each in (program, fresh)] == [401, 200]


def test_revoked__neither_gets_tokens_nor_is_let_in_with_one(client: TestClient, restaurant: Database) -> None:
    name = uuid4().hex
    gone, other = a_program(restaurant, name), a_program(restaurant)
    headers = token_of(client, gone)

    restaurant.write(lambda connection: revoke_client(connection, name=name, now=NOW))

    assert ask(client, gone).status_code == 401
    assert client.get(FEED, headers=headers).status_code == 401
    assert client.get(FEED, headers=token_of(client, other)).status_code == 200


def test_own_program__is_no_member_of_staff(client: TestClient, program: NewClient) -> None:
    answer = client.get("/api/admin/settings/", headers=token_of(client, program))

    assert (answer.status_code, answer.json()["code"]) == (403, "auth.role_forbidden")


def test_token__accounts_are_off__says_where_tokens_are(
    restaurant: Database, program: NewClient, tmp_path: Path
) -> None:
    elsewhere = TablesSettings(
        tables_local_accounts=False, data_dir=tmp_path, issuers="https://id.example.org/realms/x,tables"
    )
    client = TestClient(create_app(elsewhere, database=restaurant), base_url="http://127.0.0.1:9000")

    answer = ask(client, program)

    assert (answer.status_code, answer.json()["code"]) == (404, "auth.tokens_elsewhere")
    assert "https://id.example.org/realms/x" in answer.json()["detail"]

"""POST /api/token/ and what follows: whose tokens the service issues, takes and hands on."""

import datetime as dt
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any
from uuid import uuid4

import jwt
import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit.key_ring import KeyRing
from bookwell.tables.accounts.services import accounts
from bookwell.tables.app import create_app
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from bookwell.tables.site import Site
from tests.receivers import Reply, receiver
from tests.restaurant import NOW
from tests.waiters import a_person

PASSWORD = "wild strawberries 7"
TOKEN = "/api/token/"
REFRESH = "/api/token/refresh/"
LOGOUT = "/api/token/logout/"


def site_of(client: TestClient) -> Site:
    site: Site = client.app.state.site  # type: ignore[attr-defined]  # Starlette's application
    return site


@pytest.fixture
def name(client: TestClient) -> str:
    return a_person(site_of(client), password=PASSWORD)


def log_in(client: TestClient, username: str, password: str = PASSWORD) -> Any:
    return client.post(TOKEN, json={"username": username, "password": password})


def test_token__right_password__a_token_with_every_claim(client: TestClient, name: str) -> None:
    answer = log_in(client, name.upper())

    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    key = jwt.PyJWK.from_dict(client.get("/.well-known/jwks.json").json()["keys"][0])
    claims = jwt.decode(answer.json()["access"], key, algorithms=["RS256"], audience="bookwell")
    assert jwt.get_unverified_header(answer.json()["access"])["kid"] == key.key_id
    assert claims["iss"] == "https://tables.example.org"
    assert claims["roles"] == ["staff"]
    assert claims["exp"] == NOW.timestamp() + 300
    assert {"sub", "jti", "sid"} <= claims.keys()


def test_jwks__holds_public_keys_alone(client: TestClient) -> None:
    answer = client.get("/.well-known/jwks.json")

    assert [set(key) for key in answer.json()["keys"]] == [{"kty", "n", "e", "kid", "use", "alg"}]
    assert answer.headers["Cache-Control"] == "public, max-age=60"


def test_token__wrong_or_unknown__the_same_answer(client: TestClient, name: str) -> None:
    answers = [log_in(client, name, "wrong"), log_in(client, uuid4().hex, "wrong")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    documents = [{**answer.json(), "trace_id": ""} for answer in answers]
    assert documents[0] == documents[1]
    assert documents[0]["code"] == "auth.bad_credentials"


def test_token__deactivated__the_same_answer_and_counted(client: TestClient, name: str) -> None:
    site = site_of(client)
    site.database.write(lambda c: accounts.deactivate_account(c, username=name, now=NOW))

    answers = [log_in(client, name) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert {answer.json()["code"] for answer in answers[:5]} == {"auth.bad_credentials"}


def test_token__five_failures__locked_out_whatever_the_password(client: TestClient, name: str) -> None:
    for _ in range(5):
        assert log_in(client, name, "wrong").status_code == 401

    answer = log_in(client, name)

    assert answer.status_code == 429
    assert answer.json()["code"] == "auth.locked_out"
    assert answer.headers["Retry-After"] == "301"
    with time_machine.travel(NOW + dt.timedelta(minutes=5), tick=False):
        assert log_in(client, name).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"username": "x", "password": 5}, 422), ({"username": "x", "password": "y", "more": 1}, 422)],
)
def test_token__a_broken_body__is_refused(client: TestClient, body: dict[str, Any], status: int) -> None:
    assert client.post(TOKEN, json=body).status_code == status


def test_token__credentials_in_the_query__are_no_credentials(client: TestClient, name: str) -> None:
    answer = client.post(TOKEN, params={"username": name, "password": PASSWORD})

    assert answer.status_code == 422


def test_refresh__rotates_and_a_replay_ends_the_session(client: TestClient, name: str) -> None:
    first = log_in(client, name).json()["refresh"]
    second = client.post(REFRESH, json={"refresh": first}).json()["refresh"]
    assert second != first

    with time_machine.travel(NOW + dt.timedelta(seconds=11), tick=False):
        replayed = client.post(REFRESH, json={"refresh": first})
        after = client.post(REFRESH, json={"refresh": second})

    assert (replayed.status_code, after.status_code) == (401, 401)
    assert replayed.json()["code"] == "auth.refresh_invalid"
    assert replayed.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_logout__ends_the_session__twice_is_no_error(client: TestClient, name: str) -> None:
    refresh = log_in(client, name).json()["refresh"]

    answers = [client.post(LOGOUT.rstrip("/"), json={"refresh": refresh}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert client.post(REFRESH, json={"refresh": refresh}).status_code == 401
    assert client.post(LOGOUT, json={"refresh": "made up"}).status_code == 401


def test_keys__are_made_once_and_private(client: TestClient, name: str) -> None:
    log_in(client, name)
    folder = site_of(client).settings.keys_dir

    files = list(folder.glob("*.pem"))
    assert len(files) == 1
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert KeyRing(folder, retain=dt.timedelta(0)).jwks() == client.get("/.well-known/jwks.json").json()


def without_accounts(restaurant: Database, folder: Path, **settings: Any) -> TestClient:
    """The service that takes outside tokens alone."""
    chosen = TablesSettings(tables_local_accounts=False, data_dir=folder, **settings)
    return TestClient(create_app(chosen, database=restaurant), base_url="http://127.0.0.1:9000")


def test_token__the_library_is_the_issuer__is_handed_on(restaurant: Database, tmp_path: Path) -> None:
    tokens = Reply(200, {"Content-Type": "application/json"}, body=b'{"access":"a","refresh":"r"}')
    refused = Reply(401, {"Content-Type": "application/problem+json", "WWW-Authenticate": "Bearer"}, body=b"{}")
    with receiver(tokens, refused, Reply(204)) as library:
        issuer = f"{library.origin},bookwell"
        client = without_accounts(restaurant, tmp_path, library_url=library.origin, issuers=issuer)

        answers = [
            log_in(client, "ada"),
            client.post(REFRESH, json={"refresh": "r"}),
            client.post(LOGOUT, json={"refresh": "r"}),
        ]

    assert [answer.status_code for answer in answers] == [200, 401, 204]
    assert answers[0].json() == {"access": "a", "refresh": "r"}
    assert answers[1].headers["WWW-Authenticate"] == "Bearer"
    assert answers[1].headers["Content-Type"] == "application/problem+json"
    assert [each.target for each in library.received] == ["/api/token/", "/api/token/refresh/", "/api/logout/"]
    assert library.received[0].body == b'{"username":"ada","password":"wild strawberries 7"}'
    assert client.get("/.well-known/jwks.json").json() == {"keys": []}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reply", [Reply(hangs_up=True), Reply(502), Reply(302, {"Location": "/"})])
def test_token__the_library_is_down__503(restaurant: Database, tmp_path: Path, reply: Reply) -> None:
    with receiver(usual=reply) as library:
        issuer = f"{library.origin},bookwell"
        client = without_accounts(restaurant, tmp_path, library_url=library.origin, issuers=issuer)

        answer = log_in(client, "ada")

    assert answer.status_code == 503
    assert answer.json()["code"] == "auth.login_unavailable"
    assert answer.headers["Retry-After"] == "2"


def test_token__others_wait_for_the_library_already__503(
    restaurant: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = BoundedSemaphore()
    monkeypatch.setattr("bookwell.tables.handing_on._turns", turns)
    with receiver(Reply(502), Reply(200, {"Content-Type": "application/json"}, body=b"{}")) as library:
        issuer = f"{library.origin},bookwell"
        client = without_accounts(restaurant, tmp_path, library_url=library.origin, issuers=issuer)

        failed = log_in(client, "ada")
        assert turns.acquire(blocking=False)
        crowded = log_in(client, "ada")
        turns.release()
        answered = log_in(client, "ada")

    assert [answer.status_code for answer in (failed, crowded, answered)] == [503, 503, 200]
    assert crowded.json()["code"] == "auth.login_unavailable"
    assert len(library.received) == 2


def test_token__an_outside_issuer_alone__says_where(restaurant: Database, tmp_path: Path) -> None:
    client = without_accounts(restaurant, tmp_path, issuers="https://id.example.org/realms/x,tables")

    answer = log_in(client, "ada")

    assert answer.status_code == 404
    assert answer.json()["code"] == "auth.tokens_elsewhere"
    assert "https://id.example.org/realms/x" in answer.json()["detail"]


def test_settings__accounts_off_and_no_issuer__is_refused() -> None:
    with pytest.raises(ValueError, match="BOOKWELL_ISSUERS"):
        TablesSettings(tables_local_accounts=False)

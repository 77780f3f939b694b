"""Whose tokens let somebody in: the service's own, the library's, Keycloak's, and nobody else's."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import pytest
import time_machine
from sqlalchemy import Connection
from starlette.testclient import TestClient

from bookwell.kit import clock
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services import accounts
from bookwell.tables.app import create_app
from bookwell.tables.bookings.models import booking_step
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from bookwell.tables.site import Site
from tests.receivers import Receiver, Reply, receiver
from tests.restaurant import NOW, a_table, an_order, booked
from tests.waiters import Outside, a_person, token_of

PATH = "/api/admin/settings/"
REALM = "/realms/restaurant"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everybody's keys are: making them takes longer than a test."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def issuer(keys: Path) -> Iterator[Receiver]:
    """Answers with its keys, wherever it is asked."""
    with receiver() as server:
        published = outside(keys, server.origin).ring.jwks()
        server.usual = Reply(200, {"Content-Type": "application/json"}, body=json.dumps(published).encode())
        yield server


def outside(keys: Path, issuer: str, **options: str) -> Outside:
    return Outside(keys / "outside", issuer, **options)


@pytest.fixture
def served(restaurant: Database, keys: Path, issuer: Receiver) -> Iterator[TestClient]:
    """Trusts the library and a realm of Keycloak beside itself."""
    named = [
        {"issuer": issuer.origin, "audience": "bookwell", "jwks_url": f"{issuer.origin}/.well-known/jwks.json"},
        {
            "issuer": issuer.origin + REALM,
            "audience": "tables",
            "roles_claim": "realm_access.roles",
            "jwks_url": f"{issuer.origin}{REALM}/protocol/openid-connect/certs",
        },
    ]
    settings = TablesSettings(issuers=json.dumps(named), data_dir=keys)
    with time_machine.travel(NOW, tick=False):
        yield TestClient(create_app(settings, database=restaurant), base_url="http://127.0.0.1:9000")


def site_of(client: TestClient) -> Site:
    site: Site = client.app.state.site  # type: ignore[attr-defined]  # Starlette's application
    return site


def ask(client: TestClient, token: str, scheme: str = "Bearer") -> Any:
    return client.get(PATH, headers={"Authorization": f"{scheme} {token}"})


def keycloak_token(keys: Path, issuer: Receiver, *roles: str, **claims: Any) -> str:
    key = outside(keys, issuer.origin).ring.signing_key()
    now = int(clock.now().timestamp())
    content = {
        "iss": issuer.origin + REALM,
        "aud": ["tables", "account"],
        "sub": "6d0c7a3e-5a52-4f0e-9d4e-0d6f0e1c7b11",
        "typ": "Bearer",
        "azp": "front",
        "iat": now,
        "exp": now + 300,
        "jti": "onrtac:1",
        "realm_access": {"roles": ["offline_access", *roles]},
        "scope": "openid profile",
    }
    return jwt.encode({**content, **claims}, key.private, algorithm="RS256", headers={"kid": key.kid})


@pytest.mark.parametrize(("role", "status"), [(Role.ADMIN, 200), (Role.STAFF, 200), (Role.READER, 403)])
def test_own_token__by_role(served: TestClient, role: Role, status: int) -> None:
    answer = ask(served, token_of(site_of(served), role), scheme="bearer")

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "auth.role_forbidden"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YWRhOmxvdmVsYWNl", "Bearer a.b.c"])
def test_no_token_or_none_of_ours__is_asked_for_one(served: TestClient, header: str | None) -> None:
    answer = served.get(PATH, headers={"Authorization": header} if header is not None else {})

    assert answer.status_code == 401
    assert answer.json()["code"] == "auth.required"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_own_token__its_session_ended__at_once(served: TestClient) -> None:
    site = site_of(served)
    name = a_person(site)
    token = token_of(site, username=name)
    assert ask(served, token).status_code == 200

    site.database.write(lambda c: accounts.deactivate_account(c, username=name, now=NOW))

    assert ask(served, token).status_code == 401


def test_own_token__five_minutes_later__is_over(served: TestClient) -> None:
    token = token_of(site_of(served))

    with time_machine.travel(NOW.timestamp() + 299, tick=False):
        assert ask(served, token).status_code == 200
    with time_machine.travel(NOW.timestamp() + 300, tick=False):
        assert ask(served, token).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("staff", 200), ("librarian", 403), ("reader", 403)])
def test_library_token__by_role(served: TestClient, issuer: Receiver, keys: Path, role: str, status: int) -> None:
    assert ask(served, outside(keys, issuer.origin).token_for(role)).status_code == status


def test_library_token__for_another_audience__is_none(served: TestClient, issuer: Receiver, keys: Path) -> None:
    stranger = outside(keys, issuer.origin, audience="elsewhere")

    assert ask(served, stranger.token_for("admin")).status_code == 401


def test_token_of_an_issuer_that_nobody_named__is_none(served: TestClient, keys: Path) -> None:
    assert ask(served, outside(keys, "https://evil.example.org").token_for("admin")).status_code == 401


def test_token_in_our_name__with_a_key_of_anothers__is_none(served: TestClient, keys: Path) -> None:
    forged = outside(keys, site_of(served).identity.issuer).token_for("admin", subject="1")

    assert ask(served, forged).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("staff", 200), ("admin", 200), ("cook", 403)])
def test_keycloak_token__roles_of_the_realm__count(
    served: TestClient, issuer: Receiver, keys: Path, role: str, status: int
) -> None:
    assert ask(served, keycloak_token(keys, issuer, role)).status_code == status
    assert [each.target for each in issuer.received] == [f"{REALM}/protocol/openid-connect/certs"]


def test_keycloak_token__roles_elsewhere__do_not_count(served: TestClient, issuer: Receiver, keys: Path) -> None:
    assert ask(served, keycloak_token(keys, issuer, roles=["admin"])).status_code == 403


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"client_id": "back-office", "scope": "profile bookings:read"}, 200),
        ({"client_id": "back-office", "scope": "profile"}, 403),
        ({"scope": "bookings:read"}, 403),
    ],
)
def test_keycloak_token__of_a_service_account__its_scope_counts(
    served: TestClient, issuer: Receiver, keys: Path, claims: dict[str, str], status: int
) -> None:
    headers = {"Authorization": f"Bearer {keycloak_token(keys, issuer, **claims)}"}

    assert served.get("/api/backoffice/orders", headers=headers).status_code == status


def test_issuer__never_answered__503_for_its_tokens_alone(served: TestClient, issuer: Receiver, keys: Path) -> None:
    issuer.usual = Reply(500)

    answer = ask(served, keycloak_token(keys, issuer, "staff"))

    assert answer.status_code == 503
    assert answer.json()["code"] == "auth.issuer_unreachable"
    assert "Retry-After" in answer.headers
    assert ask(served, token_of(site_of(served))).status_code == 200


def test_accounts_are_off__own_tokens_count_no_more(
    served: TestClient, restaurant: Database, issuer: Receiver, keys: Path
) -> None:
    site = site_of(served)
    own = token_of(site)
    settings = site.settings.model_copy(update={"tables_local_accounts": False})
    strict = TestClient(create_app(settings, database=restaurant), base_url="http://127.0.0.1:9000")

    assert ask(strict, own).status_code == 401
    assert ask(strict, outside(keys, issuer.origin).token_for("staff")).status_code == 200


def _last(steps: Any, connection: Connection) -> Any:
    return connection.execute(steps).all()[-1]


def test_who_did_it__is_kept__with_the_host_of_an_outside_issuer(
    served: TestClient, restaurant: Database, issuer: Receiver, keys: Path
) -> None:
    tokens = {
        "staff:7@" + issuer.origin.removeprefix("http://"): outside(keys, issuer.origin).token_for(
            "staff", subject="7"
        ),
        "staff:sha256:": keycloak_token(keys, issuer, "staff", sub="x" * 200),
    }
    for expected, token in tokens.items():
        order = an_order(restaurant, a_table(restaurant).id)

        served.post(
            "/api/admin/close_table/",
            json={"id": order.table_id},
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()

        steps = booking_step.select().where(booking_step.c.booking_id == order.id).order_by(booking_step.c.version)
        last = restaurant.read(partial(_last, steps))
        assert booked(restaurant, order.id).state == "declined"
        assert last.actor.startswith(expected)
        assert len(last.actor) <= 64

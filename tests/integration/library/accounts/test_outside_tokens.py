"""Tokens of an outside issuer: whose account they open, what they may, and whom they never become."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.ids import new_id
from bookwell.library.accounts import services
from bookwell.library.accounts.models import OutsideIdentity, User
from bookwell.library.accounts.queries import find_outside_account
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.accounts.tokens import verifier
from bookwell.library.audit.models import AuditEntry
from bookwell.library.plumbing.models import OutboxRow
from tests.factories import BookFactory, PolicyFactory, unique
from tests.outside_issuer import OutsideIssuer, outside_issuer
from tests.people import Api, api_as, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def served() -> Iterator[OutsideIssuer]:
    with outside_issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(served: OutsideIssuer, settings: Any) -> Iterator[OutsideIssuer]:
    """Trusted by the settings."""
    settings.OUTSIDE_ISSUERS = [served.named]
    verifier.cache_clear()
    yield served
    verifier.cache_clear()


def _confirmed(**fields: Any) -> User:
    user = make_user(**fields)
    run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email=user.email))
    return user


def _me(token: str) -> Any:
    return Api(token).get("/api/me/")


def test_token__of_somebody_new__makes_an_account_with_its_name_role_and_address(issuer: OutsideIssuer) -> None:
    name = unique("josé")
    email = f"{unique('j')}@Example.org"
    who = {"sub": new_id(), "preferred_username": name, "email": email, "email_verified": True}

    first = _me(issuer.token("librarian", "offline_access", **who))
    again = _me(issuer.token("librarian", **who))

    user = User.objects.get(username=name)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["id"] == again.json()["id"] == user.pk
    assert (user.role, user.email, user.confirmed_email) == ("librarian", email.lower(), email.lower())
    assert not user.has_usable_password()
    linked = AuditEntry.objects.get(object_type="user", object_id=user.pk, action="user.linked")
    assert issuer.url in linked.data


def test_token__of_a_verified_address__opens_the_account_that_has_confirmed_it(issuer: OutsideIssuer) -> None:
    user = _confirmed()

    answer = _me(issuer.token("reader", sub=new_id(), email=user.email.upper(), email_verified=True))

    assert answer.json()["id"] == user.pk
    assert OutsideIdentity.objects.filter(user=user).count() == 1


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_token__of_an_address_that_the_issuer_has_not_verified__opens_a_new_account(
    issuer: OutsideIssuer, verified: Any
) -> None:
    user = _confirmed()

    answer = _me(issuer.token("reader", sub=new_id(), email=user.email, email_verified=verified))

    made = User.objects.get(pk=answer.json()["id"])
    assert made.pk != user.pk
    assert (made.email, made.confirmed_email) == (user.email, None)
    told = OutboxRow.objects.get(aggregate=f"user:{made.pk}")
    assert told.type == "account.known_email"


def test_token__of_an_address_that_the_account_has_not_confirmed__opens_a_new_account(issuer: OutsideIssuer) -> None:
    waiting = make_user()

    answer = _me(issuer.token("reader", sub=new_id(), email=waiting.email, email_verified=True))

    made = User.objects.get(pk=answer.json()["id"])
    assert made.pk != waiting.pk
    assert made.confirmed_email == waiting.email
    waiting.refresh_from_db()
    assert waiting.confirmed_email is None


def test_token__of_a_second_subject_with_the_same_address__is_another_person(issuer: OutsideIssuer) -> None:
    user = _confirmed()
    of_address = {"email": user.email, "email_verified": True}
    former = _me(issuer.token("reader", sub=new_id(), **of_address)).json()["id"]

    later = _me(issuer.token("reader", sub=new_id(), **of_address)).json()["id"]

    assert former == user.pk
    assert later != user.pk
    assert User.objects.get(pk=later).confirmed_email is None


def test_token__another_request_is_first_in_between__finds_its_account(
    issuer: OutsideIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token("reader", sub=new_id(), email=f"{unique('x')}@example.org", email_verified=True)
    rivals: list[int | None] = []

    def look_too_early(**who: Any) -> Any:
        if rivals:
            return find_outside_account(**who)
        rivals.append(None)  # before the rival comes by here, too
        rivals.append(_me(token).json()["id"])
        return None

    monkeypatch.setattr("bookwell.library.accounts.outside_login.find_outside_account", look_too_early)

    assert _me(token).json()["id"] == rivals[1]
    assert OutsideIdentity.objects.filter(user_id=rivals[-1] or 0).count() == 1


def test_token__of_a_name_that_is_taken_or_not_allowed__gets_a_name_like_it(issuer: OutsideIssuer) -> None:
    user = make_user()

    taken = _me(issuer.token("reader", sub=new_id(), preferred_username=user.username.upper()))
    odd = _me(issuer.token("reader", sub=new_id(), preferred_username="a b:c"))
    none = _me(issuer.token("reader", sub=new_id()))

    assert taken.json()["username"].startswith(f"{user.username.upper()}-")
    assert odd.json()["username"].startswith("user-")
    assert none.json()["username"].startswith("user-")


def test_token__whatever_the_accounts_role__may_what_the_token_says(issuer: OutsideIssuer) -> None:
    administrator = _confirmed(role=Role.ADMIN)
    who = {"sub": new_id(), "email": administrator.email, "email_verified": True}

    as_reader = issuer.token("reader", **who)
    as_admin = issuer.token("reader", "admin", **who)

    assert Api(as_reader).get("/api/users/").status_code == 403
    assert Api(as_admin).get("/api/users/").status_code == 200
    assert Api(as_reader).get("/api/me/").json()["id"] == administrator.pk


@pytest.mark.parametrize("roles", [(), ("service",), ("Admin",), ("superuser", "offline_access")])
def test_token__without_a_role_of_ours__is_forbidden_and_makes_nobody(
    issuer: OutsideIssuer, roles: tuple[str, ...]
) -> None:
    before = User.objects.count()

    answer = _me(issuer.token(*roles, sub=new_id()))

    assert (answer.status_code, answer.json()["code"]) == (403, "auth.role_forbidden")
    assert User.objects.count() == before


def test_token__the_account_was_deactivated__stays_shut_out(issuer: OutsideIssuer) -> None:
    known, unknown = _confirmed(), _confirmed()
    token = issuer.token("reader", sub=new_id(), email=known.email, email_verified=True)
    assert _me(token).status_code == 200
    User.objects.filter(pk__in=[known.pk, unknown.pk]).update(is_active=False)
    before = User.objects.count()

    again = _me(token)
    first = _me(issuer.token("reader", sub=new_id(), email=unknown.email, email_verified=True))

    assert (again.status_code, first.status_code) == (401, 401)
    assert User.objects.count() == before


def test_token__the_account_was_deleted__is_forgotten(issuer: OutsideIssuer) -> None:
    user = _confirmed()
    token = issuer.token("reader", sub=new_id(), email=user.email, email_verified=True)
    _me(token)

    run_in_transaction(lambda: services.anonymise_user_in_tx(user_id=user.pk, actor_id=user.pk, now=clock.now()))

    assert not OutsideIdentity.objects.filter(user_id=user.pk).exists()
    assert _me(token).json()["id"] != user.pk


def test_token__that_names_a_session_or_a_client_of_ours__is_neither(issuer: OutsideIssuer) -> None:
    victim = make_user(role=Role.ADMIN)
    session = verifier().verify(api_as(victim).access, now=clock.now()).session_id
    client_id = unique("id")
    client: dict[str, Any] = {"client_id": client_id, "name": client_id, "scopes": ["reservations:write"]}
    run_in_transaction(lambda: services.add_client(secret_hash="", now=clock.now(), **client))

    as_victim = _me(issuer.token("reader", sub=str(victim.pk), sid=session))
    as_client = Api(issuer.token(client_id=client_id, scope="reservations:write")).post(
        "/api/reservations/", {"book_id": 1, "reader": "x"}
    )

    assert as_victim.json()["id"] != victim.pk
    assert as_client.status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "bookwell"},
        {"iss": "https://other.example"},
        {"sub": "x" * 300},
        {"sub": ""},
        {"sub": "a\0"},
        {"exp": 1},
    ],
    ids=["audience", "issuer", "long subject", "empty subject", "odd subject", "expired"],
)
def test_token__anything_wrong_with_it__is_unauthorized(issuer: OutsideIssuer, claims: dict[str, Any]) -> None:
    before = User.objects.count()

    answer = _me(issuer.token("reader", **{"sub": new_id()} | claims))

    assert answer.status_code == 401
    assert User.objects.count() == before


def test_token__of_an_issuer_that_the_settings_do_not_name__is_unauthorized(served: OutsideIssuer) -> None:
    assert _me(served.token("reader", sub=new_id())).status_code == 401


def test_token__the_issuer_never_answered__can_be_tried_again(served: OutsideIssuer, settings: Any) -> None:
    settings.OUTSIDE_ISSUERS = [served.named.model_copy(update={"jwks_url": f"{served.url}/nothing"})]
    verifier.cache_clear()

    refused = _me(served.token("reader", sub=new_id()))
    ours = api_as(make_user()).get("/api/me/")
    verifier.cache_clear()

    assert (refused.status_code, refused.json()["code"]) == (503, "auth.issuer_unreachable")
    assert "Retry-After" in refused.headers
    assert ours.status_code == 200


def test_token__a_reader_reserves__with_it(issuer: OutsideIssuer) -> None:
    category = PolicyFactory.create().category_id
    api, book = Api(issuer.token("reader", sub=new_id())), BookFactory.create(copies=1)
    User.objects.filter(pk=api.get("/api/me/").json()["id"]).update(category_id=category)

    answer = api.post("/api/reservations/", {"book_id": book.pk}, **{"Idempotency-Key": new_id()})

    assert answer.status_code == 201


def test_token__of_somebody_known__costs_as_many_statements_as_one_of_ours(issuer: OutsideIssuer) -> None:
    user = _confirmed()
    token = issuer.token("reader", sub=new_id(), email=user.email, email_verified=True)
    _me(token)

    counts = []
    for api in (api_as(user), Api(token)):
        with CaptureQueriesContext(connection) as captured:
            assert api.get("/api/me/").status_code == 200
        counts.append(len(captured))

    assert counts[0] == counts[1]

"""Becoming a reader."""

from collections.abc import Callable
from typing import Any

import pytest

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import User
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.audit.models import AuditEntry
from bookwell.library.plumbing.models import OutboxRow
from tests.factories import unique
from tests.notices import notice_of
from tests.people import PASSWORD, Api, make_user

pytestmark = pytest.mark.django_db

nobody = Api()


def _body(**fields: Any) -> dict[str, Any]:
    name = unique("new")
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD} | fields


def _mails(to: str) -> list[tuple[str, dict[str, Any]]]:
    rows = OutboxRow.objects.filter(queue="mail").order_by("pk")
    mails = [(row.type, notice_of(row).model_dump()) for row in rows]
    return [(kind, payload) for kind, payload in mails if payload["recipient"]["email"] == to]


def test_register__makes_a_reader_who_may_log_in_unconfirmed() -> None:
    body = _body(username=unique("Ünïcode"))

    answer = nobody.post("/api/register/", body)

    assert answer.status_code == 201, answer.content
    reader = answer.json()
    assert reader["role"] == "reader"
    assert reader["username"] == body["username"]
    assert reader["email"] == body["email"]
    assert reader["category"] == "adult"
    assert reader["is_email_confirmed"] is False
    assert len(reader["card_number"]) == 14
    assert "password" not in reader
    user = User.objects.get(pk=reader["id"])
    assert user.password.startswith("argon2")
    assert Api(nobody.log_in(user)["access"]).get("/api/me/").json()["id"] == reader["id"]
    [(kind, mail)] = _mails(body["email"])
    assert kind == "account.confirm_email"
    assert "/accounts/confirm-email/" in mail["facts"]["url"]
    assert AuditEntry.objects.filter(action="user.created", object_id=user.pk, actor_id=user.pk).count() == 1


@pytest.mark.parametrize(
    "change", [str, str.upper, lambda name: name.replace("n", "\N{FULLWIDTH LATIN SMALL LETTER N}")]
)
def test_register__taken_username_in_any_spelling__is_refused(change: Callable[[str], str]) -> None:
    first = _body()
    nobody.post("/api/register/", first)

    answer = nobody.post("/api/register/", _body(username=change(first["username"])))

    assert answer.status_code == 409
    assert answer.json()["code"] == "account.username_taken"
    assert User.objects.filter(username__iexact=first["username"]).count() == 1


def test_register__known_email__same_answer_and_the_mailbox_is_told() -> None:
    first, second = _body(), _body()
    unknown = nobody.post("/api/register/", first)

    known = nobody.post("/api/register/", second | {"email": first["email"].upper()})

    assert known.status_code == unknown.status_code == 201
    assert known.json().keys() == unknown.json().keys()
    assert known.headers.keys() == unknown.headers.keys()
    for body in (first, second):
        login = {"username": body["username"], "password": PASSWORD}
        assert nobody.post("/api/login/", login).status_code == 200
    assert [kind for kind, _ in _mails(first["email"])] == ["account.confirm_email", "account.known_email"]


def test_register__email_confirmed_by_another__cannot_be_confirmed_again() -> None:
    owner = make_user()
    run_in_transaction(lambda: confirm_email_in_tx(user_id=owner.pk, email=owner.email))

    answer = nobody.post("/api/register/", _body(email=owner.email))

    assert answer.status_code == 201
    kind, mail = _mails(owner.email)[-1]
    assert kind == "account.known_email"
    assert mail["facts"]["url"] is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"password": "short"}, "password_too_short"),
        ({"password": "password1"}, "password_too_common"),
        ({"password": "2718281828459"}, "password_entirely_numeric"),
        ({"username": "hippopotamus", "password": "hippopotamus1"}, "password_too_similar"),
    ],
)
def test_register__weak_password__is_refused_with_its_rule(fields: dict[str, str], code: str) -> None:
    body = _body(**fields)

    answer = nobody.post("/api/register/", body)

    assert answer.status_code == 422
    assert answer.json()["code"] == "account.password_refused"
    assert (code, "#/password") in {(error["code"], error["pointer"]) for error in answer.json()["errors"]}
    assert not User.objects.filter(username=body["username"]).exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "has space"},
        {"username": ""},
        {"username": "x" * 151},
        {"username": "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 100},
        {"email": "nowhere"},
        {"email": None},
        {"role": "admin"},
    ],
)
def test_register__wrong_fields__are_refused(fields: dict[str, Any]) -> None:
    before = User.objects.count()

    answer = nobody.post("/api/register/", _body(**fields))

    assert answer.status_code == 422, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert User.objects.count() == before


def test_register__same_key_twice__one_reader_and_the_same_answer() -> None:
    body, key = _body(), unique("key")

    first, second = (nobody.post("/api/register/", body, **{"Idempotency-Key": key}) for _ in range(2))

    assert first.status_code == second.status_code == 201
    assert first.content == second.content

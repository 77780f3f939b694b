"""What parallel uses of a link to a new password must not do. Real connections, own rows, nothing flushed."""

import json
from functools import partial
from typing import Any

import pytest
from django.core.cache import cache

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.audit.models import AuditEntry
from bookwell.library.plumbing.models import OutboxRow
from tests.concurrency.racing import race
from tests.people import PASSWORD, Api, make_user


@pytest.fixture(autouse=True)
def _no_failures(committed: str) -> None:
    cache.clear()


def _user_and_token() -> tuple[User, str]:
    user = make_user()
    run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email=user.email))
    assert Api().post("/api/password/reset/", {"email": user.email}).status_code == 202
    row = OutboxRow.objects.get(aggregate=f"user:{user.pk}", type="account.password_reset")
    return user, json.loads(row.payload)["facts"]["url"].partition("?token=")[2]


def _set(token: str, password: str) -> Any:
    return Api().post("/api/password/", {"token": token, "password": password})


def test_set__one_link_in_parallel__exactly_one_password_is_set() -> None:
    user, token = _user_and_token()
    passwords = [f"blue whales sing {number}" for number in range(5)]

    answers = [outcome.value for outcome in race([partial(_set, token, password) for password in passwords])]

    assert sorted(answer.status_code for answer in answers) == [204] + [422] * 4
    codes = {answer.json()["code"] for answer in answers if answer.status_code == 422}
    assert codes == {"account.reset_link_invalid"}
    [chosen] = [password for password, answer in zip(passwords, answers, strict=True) if answer.status_code == 204]
    assert Api().log_in(user, chosen)
    assert AuditEntry.objects.filter(action="user.password_reset", object_id=user.pk).count() == 1


def test_set__beside_log_ins_with_the_old_password__none_of_them_has_a_session() -> None:
    user, token = _user_and_token()
    old = {"username": user.username, "password": PASSWORD}

    outcomes = race(
        [
            lambda: _set(token, "blue whales sing 3"),
            *[lambda: Api().post("/api/login/", old)] * 4,
        ]
    )

    answers = [outcome.value.status_code for outcome in outcomes]
    assert answers[0] == 204
    assert set(answers[1:]) <= {200, 401}
    assert not TokenSession.objects.filter(user=user, revoked_at=None).exists()

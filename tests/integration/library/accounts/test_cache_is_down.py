"""The cache does not answer: who needs it is told to come back, all others are served."""

from typing import Any

import pytest
from django.test import Client

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.config.databases import cache_settings
from tests.notices import notices_about
from tests.people import PASSWORD, Api, api_as, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _redis_that_is_down(settings: Any, _empty_counters: None, socket_enabled: None) -> None:
    settings.CACHES = {"default": cache_settings(redis_url="redis://127.0.0.1:1/0", embedded_file=None)}


@pytest.mark.parametrize("path", ["/api/login/", "/api/token/"])
def test_log_in__is_503_and_nobody_is_in(path: str) -> None:
    user = make_user()

    answer = Api().post(path, {"username": user.username, "password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (503, "cache.unavailable")
    assert answer["Retry-After"] == "1"
    assert answer.json()["retryable"] is True
    assert not TokenSession.objects.filter(user=user).exists()


def test_token__of_an_earlier_log_in__is_served() -> None:
    assert api_as(make_user()).get("/api/me/").status_code == 200


def test_log_in_to_the_admin__is_503() -> None:
    form = {"username": make_user(Role.ADMIN).username, "password": PASSWORD}

    answer = Client(raise_request_exception=False).post("/admin/login/", form)

    assert (answer.status_code, answer["Retry-After"]) == (503, "1")


def test_forgotten_password__is_set_all_the_same(django_capture_on_commit_callbacks: Any) -> None:
    user = make_user()
    run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email=user.email))
    asked = Client().post("/accounts/forgot-password/", {"email": user.email})
    [url] = [notice.facts["url"] for kind, notice in notices_about(f"user:{user.pk}") if kind == "password_reset"]

    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        body = {"token": url.partition("?token=")[2], "password": "blue whales sing 3"}
        answer = Api().post("/api/password/", body)

    assert (asked.status_code, answer.status_code) == (200, 204)
    assert len(callbacks) == 1
    assert User.objects.get(pk=user.pk).password != user.password

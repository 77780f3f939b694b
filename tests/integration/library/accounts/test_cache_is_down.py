"""The cache does not answer: who needs it is told to come back, all others are served."""

from typing import Any

import pytest
from django.test import Client

from bookwell.library.accounts.models import TokenSession
from bookwell.library.accounts.rules import Role
from bookwell.library.config.databases import cache_settings
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

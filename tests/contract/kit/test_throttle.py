"""Rate limits over HTTP: three a minute, on an API without a domain."""

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.test import Client, override_settings

from bookwell.kit.service_keys import SERVICE_HEADER, service_key

pytestmark = pytest.mark.urls("tests.contract.kit.toy_api")


@pytest.fixture(autouse=True)
def a_fresh_minute() -> Iterator[None]:
    cache.clear()
    with time_machine.travel("2026-03-01T12:00:20Z", tick=False):
        yield


def statuses(times: int, path: str, **options: Any) -> list[int]:
    return [Client().get(path, **options).status_code for _ in range(times)]


def token(number: int) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {number}"}}


def test_caller__uses_up_the_limit__is_429_and_others_are_served() -> None:
    assert statuses(5, "/limited/mine/", **token(101)) == [200, 200, 200, 429, 429]

    response = Client().get("/limited/mine/", **token(101))
    assert response.json()["code"] == "http.too_many_requests"
    assert response.json()["retryable"] is True
    assert response["Retry-After"] == "40"
    assert statuses(1, "/limited/mine/", **token(102)) == [200]


def test_answer__carries_the_limit() -> None:
    response = Client().get("/limited/mine/", **token(103))

    assert response["RateLimit-Policy"] == '"default";q=3;w=60'
    assert response["RateLimit"] == '"default";r=2;t=40'


def test_service__with_its_key__is_not_counted() -> None:
    stranger: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.77"}
    ours = stranger | {"headers": {SERVICE_HEADER: service_key(settings.SECRET_KEY, "partners")}}
    others = stranger | {"headers": {SERVICE_HEADER: service_key("another secret", "partners")}}
    unnamed = stranger | {"headers": {SERVICE_HEADER: service_key(settings.SECRET_KEY, "tables")}}
    odd = stranger | {"headers": {SERVICE_HEADER: "é"}}

    assert statuses(5, "/limited/everyones/", **ours) == [200] * 5
    assert [statuses(1, "/limited/everyones/", **caller)[0] for caller in (others, unnamed, odd, stranger)] == [
        200,
        200,
        200,
        429,
    ]


def test_address__anonymous_callers__share_one_count() -> None:
    assert statuses(4, "/limited/everyones/", REMOTE_ADDR="203.0.113.7") == [200, 200, 200, 429]
    assert statuses(1, "/limited/everyones/", REMOTE_ADDR="203.0.113.8") == [200]


def test_address__one_network_of_ipv6__shares_one_count() -> None:
    seen = [
        Client().get("/limited/everyones/", REMOTE_ADDR=f"2001:db8::{number}").status_code for number in range(1, 5)
    ]

    assert seen == [200, 200, 200, 429]


def test_address__guessed_tokens__are_counted() -> None:
    options: dict[str, Any] = {"headers": {"Authorization": "Bearer guess"}, "REMOTE_ADDR": "203.0.113.9"}

    assert statuses(4, "/limited/mine/", **options) == [401, 401, 401, 429]


def test_caller__refused_for_the_role__is_counted() -> None:
    assert statuses(4, "/limited/nobodys/", **token(104)) == [403, 403, 403, 429]
    assert statuses(1, "/limited/mine/", **token(104)) == [429]
    assert statuses(1, "/limited/nobodys/", **token(105)) == [403]


def test_address__loopback_when_embedded__is_free() -> None:
    assert statuses(10, "/limited/everyones/") == [200] * 10


def test_address__behind_a_proxy__is_what_the_proxy_saw() -> None:
    options = [{"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.20"} for number in range(4)]

    with override_settings(TRUSTED_PROXIES=1):
        seen = [Client().get("/limited/everyones/", headers=headers).status_code for headers in options]

    assert seen == [200, 200, 200, 429]

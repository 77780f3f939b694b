import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client

from bookwell.kit.ids import new_id
from bookwell.kit.outbox.gauges import Backlog, OutboxGauges
from bookwell.library.api import health
from bookwell.library.plumbing.models import OutboxRow
from bookwell.library.plumbing.queries import list_backlogs

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def refuse() -> None:
    raise ConnectionRefusedError("10.0.0.1")


def test_health__everything_answers__names_each_dependency() -> None:
    answer = Client().get("/health").json()

    assert (answer["service"], answer["state"]) == ("library", "up")
    assert {part["name"]: part["state"] for part in answer["dependencies"]} == {
        "database": "up",
        "migrations": "up",
        "cache": "up",
    }


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_probe__everything_answers__is_200_under_any_host(path: str) -> None:
    response = Client().get(path, headers={"Host": "10.1.2.3:8013"})

    assert (response.status_code, response.json()) == (200, {"state": "up"})


def test_probes__database_is_down__live_but_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", lambda: {"database": refuse})

    ready = Client().get("/health/ready")

    assert (ready.status_code, ready.json()["code"]) == (503, "http.unavailable")
    assert ready["Retry-After"] == "1"
    assert ready.json()["detail"] == "Not ready: database"
    assert Client().get("/health/live").status_code == 200
    assert Client().get("/health").json()["state"] == "down"


def test_probes__redis_is_down__says_so_and_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_checks", lambda: {"database": lambda: None, "redis": refuse})

    assert Client().get("/health").json()["state"] == "down"
    assert Client().get("/health/ready").status_code == 200


def test_metrics__count_requests_by_route_template() -> None:
    Client().get("/api/branches/987654/")

    text = Client().get("/metrics").content.decode()

    assert (
        'bookwell_http_request_seconds_count{method="GET",route="api/branches/<int:branch_id>/",status="404"}' in text
    )
    assert "987654" not in text


def _row(*, age: dt.timedelta, is_done: bool = False) -> None:
    at = int((NOW - age).timestamp() * 1000)
    OutboxRow.objects.create(
        event_id=new_id(), queue="mail", type="x", version=1, aggregate="user:1", aggregate_version=1,
        payload="{}", created_at=at, next_attempt_at=at, done_at=at if is_done else None,
    )  # fmt: skip


def _gauges(
    monkeypatch: pytest.MonkeyPatch, *, read: Callable[[], Sequence[Backlog]] = list_backlogs
) -> dict[str, float]:
    monkeypatch.setattr(health, "_outbox_gauges", OutboxGauges(read, queues=("library", "mail")))
    lines = Client().get("/metrics").content.decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines)
        if name.startswith("bookwell_outbox")
    }


def test_metrics__messages_wait__tell_how_many_and_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    OutboxRow.objects.all().delete()
    _row(age=dt.timedelta(hours=1), is_done=True)
    for seconds in (5, 90, 30):
        _row(age=dt.timedelta(seconds=seconds))

    with time_machine.travel(NOW, tick=False):
        gauges = _gauges(monkeypatch)

    assert gauges == {
        'bookwell_outbox_waiting{queue="library"}': 0,
        'bookwell_outbox_oldest_undelivered_seconds{queue="library"}': 0,
        'bookwell_outbox_waiting{queue="mail"}': 3,
        'bookwell_outbox_oldest_undelivered_seconds{queue="mail"}': 90,
    }


def test_metrics__nothing_waits__say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    OutboxRow.objects.all().delete()

    assert set(_gauges(monkeypatch).values()) == {0}


def test_metrics__asked_again_at_once__read_the_database_once(django_assert_num_queries: Any) -> None:
    gauges = OutboxGauges(list_backlogs, queues=())

    with django_assert_num_queries(1):
        for _ in range(3):
            gauges.read(now=NOW)


def test_metrics__database_is_down__are_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise OperationalError("gone")

    assert _gauges(monkeypatch, read=fail) == {}
    assert Client().get("/metrics").status_code == 200

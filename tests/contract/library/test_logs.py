"""`GET /api/logs/`: what administrators find in the log table."""

import datetime as dt
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from bookwell.library.plumbing.models import LogRecord
from tests.contract.library.world import World

AT = dt.datetime(2026, 3, 12, 18, tzinfo=dt.UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def a_record(*, seconds: int = 0, **changes: str) -> LogRecord:
    at = int((AT + dt.timedelta(seconds=seconds)).timestamp() * 1000)
    content = {"service": "library", "level": "info", "event": "http.request", "request_id": "", "logger": ""}
    return LogRecord.objects.create(at=at, fields=json.dumps({"status": 200}), **(content | changes))


def answer_to(world: World, path: str = "", **params: str) -> Any:
    return Client().get(path or f"/api/logs/?{urlencode(params)}", headers=world.headers("admin"))


def ids_of(answer: Any) -> list[int]:
    assert answer.status_code == 200
    return [item["id"] for item in answer.json()["items"]]


def test_list_logs__a_record__is_told_whole(world: World) -> None:
    record = a_record(level="warning", request_id="desk-7", logger="django.db", trace=TRACE)

    assert answer_to(world).json() == {
        "items": [
            {
                "id": record.pk,
                "at": "2026-03-12T18:00:00Z",
                "service": "library",
                "level": "warning",
                "event": "http.request",
                "request_id": "desk-7",
                "logger": "django.db",
                "trace": TRACE,
                "fields": {"status": 200},
            }
        ],
        "next": None,
        "previous": None,
    }


def test_list_logs__each_filter__narrows(world: World) -> None:
    early, late = a_record(seconds=0), a_record(seconds=60, service="partners", event="partner.called", trace=TRACE)
    failed = a_record(seconds=30, level="error", request_id="desk-7")

    assert ids_of(answer_to(world)) == [late.pk, failed.pk, early.pk]
    assert ids_of(answer_to(world, level="error")) == [failed.pk]
    assert ids_of(answer_to(world, service="partners")) == [late.pk]
    assert ids_of(answer_to(world, request_id="desk-7")) == [failed.pk]
    assert ids_of(answer_to(world, event="partner.called")) == [late.pk]
    assert ids_of(answer_to(world, trace=TRACE)) == [late.pk]
    assert ids_of(answer_to(world, trace="")) == [late.pk, failed.pk, early.pk]
    assert ids_of(answer_to(world, level="error", service="partners")) == []


def test_list_logs__from_and_to__are_half_open_and_utc_without_an_offset(world: World) -> None:
    early, middle, late = (a_record(seconds=seconds) for seconds in (0, 30, 60))

    assert ids_of(answer_to(world, **{"from": "2026-03-12T18:00:30Z"})) == [late.pk, middle.pk]
    assert ids_of(answer_to(world, to="2026-03-12T18:00:30")) == [early.pk]
    assert ids_of(answer_to(world, **{"from": "2026-03-12T19:00:30+01:00", "to": "2026-03-12T18:01:00Z"})) == [
        middle.pk
    ]


def test_list_logs__pages__go_there_and_back_over_equal_times(world: World) -> None:
    records = [a_record(seconds=seconds).pk for seconds in (0, 0, 0, 1, 1)]
    newest_first = records[::-1]

    first = answer_to(world, limit="2", level="info")
    second = answer_to(world, first.json()["next"])
    third = answer_to(world, second.json()["next"])
    back = answer_to(world, third.json()["previous"])

    assert [*ids_of(first), *ids_of(second), *ids_of(third)] == newest_first
    assert ids_of(back) == ids_of(second)
    assert (first.json()["previous"], third.json()["next"]) == (None, None)


@pytest.mark.parametrize(
    "params",
    [
        {"from": "yesterday"},
        {"to": "2026-03-12"},
        {"level": "loud"},
        {"request_id": "r" * 65},
        {"trace": TRACE.upper()},
        {"trace": f"00-{TRACE}-00f067aa0ba902b7-01"},
        {"cursor": "broken"},
        {"limit": "0"},
    ],
)
def test_list_logs__a_filter_that_makes_no_sense__is_refused(params: dict[str, str], world: World) -> None:
    answer = answer_to(world, **params)

    assert answer.status_code in {400, 422}
    assert answer["Content-Type"] == "application/problem+json"

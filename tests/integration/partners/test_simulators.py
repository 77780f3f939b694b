"""The service with its own adapters over libraries that misbehave."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fake_partners import over_simulators, token
from tests.simulating import control, running_simulators

ISBN = "9780439023481"


def _as_library() -> dict[str, str]:
    return token(sub="library", roles=["service"])


@pytest.fixture
def simulators(tmp_path: Path) -> Iterator[httpx2.Client]:
    with running_simulators(tmp_path) as http:
        yield http


def set_mood(simulators: httpx2.Client, number: int, **mood: Any) -> None:
    simulators.put(control(number), json=mood).raise_for_status()


def test_availability__one_hangs_and_one_sends_html__the_third_is_told_within_the_budget(
    simulators: httpx2.Client,
) -> None:
    set_mood(simulators, 3, latency_ms=600_000)
    set_mood(simulators, 4, malformed="html")
    with over_simulators(str(simulators.base_url), partners_budget_ms=4000) as client:
        told: Any = client.get(f"/books/{ISBN}/availability").json  # `make bench` measures how well the budget is kept

    assert isinstance(told["availability"]["library 2"], bool)
    assert [library.get("error") for library in told["libraries"]] == [None, "timeout", "malformed"]


@pytest.mark.parametrize("number", [2, 3, 4])
def test_hold__the_answer_is_lost__placing_again_finds_the_one_hold(simulators: httpx2.Client, number: int) -> None:
    body = {"reference": "reservation:17", "isbn": ISBN}
    path = f"/partners/library%20{number}/reservations"
    with over_simulators(str(simulators.base_url), partners_hold_ms=1500) as client:
        set_mood(simulators, number, outage="lost_answers")
        lost = client.post(path, json=body, headers=_as_library())
        set_mood(simulators, number)
        placed: Any = client.post(path, json=body, headers=_as_library())
        found: Any = client.get(f"{path}/{placed.json['ref']}", headers=_as_library())

    assert lost.status_code == 503
    assert (placed.status_code, placed.json["state"]) == (200, "accepted")
    assert (found.status_code, found.json["state"]) == (200, "accepted")
    assert len(simulators.get(f"{control(number)}/holds").json()["holds"]) == 1

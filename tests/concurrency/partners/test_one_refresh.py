"""Many processes want the same answer: one of them asks."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from redis import Redis

from tests.simulating import control, running_simulators

PROCESSES = 3
ISBN = "9780439023481"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def simulators(tmp_path: Path) -> Iterator[httpx2.Client]:
    with running_simulators(tmp_path) as http:
        yield http


def test_availability__three_processes_ask_at_once__each_partner_is_asked_once(
    redis_url: str, simulators: httpx2.Client
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    for number in (2, 3):
        simulators.put(control(number), json={"latency_ms": 300}).raise_for_status()
    environment = os.environ | {
        "BOOKWELL_REDIS_URL": redis_url,
        "BOOKWELL_SIMULATORS_URL": str(simulators.base_url),
        "PYTHONPATH": str(ROOT),
    }
    moment = time.time() + 4

    crowds = [
        subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-m", "tests.concurrency.partners.crowd", ISBN, str(moment)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    outputs = [crowd.communicate(timeout=60)[0] for crowd in crowds]

    told = [json.loads(output.splitlines()[-1]) for output in outputs]
    assert len({answer for answers in told for answer in answers}) == 1, told
    assert sum(sum(answers.values()) for answers in told) == 8 * PROCESSES
    requests = [simulators.get(control(number)).json()["requests"] for number in (2, 3)]
    assert requests[0]["by_operation"] == {"GET daia": 1}
    assert requests[1]["by_isbn"] == {ISBN: 1}

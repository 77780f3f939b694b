"""The simulators as a process: they start quickly, hang without being stuck, and end when told to."""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.servers import free_port


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = spawn(
            [sys.executable, "-m", "bookwell.cli.main", "serve", "simulators", f"--port={port}"], output=log
        )
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(httpx2.TransportError):
                httpx2.get(f"{url}/health/ready", trust_env=False)
                break
            time.sleep(0.02)
        yield url
        stop(process, ask=signal.SIGTERM, grace_seconds=10)
        assert process.returncode == 0, (tmp_path / "log").read_text()


def test_hanging_requests__do_not_hold_up_others(url: str) -> None:
    with httpx2.Client(base_url=url, trust_env=False, timeout=10) as http:
        http.put("/control/library-2", json={"outage": "hang"})
        hanging = [threading.Thread(target=_ask_and_give_up, args=(f"{url}/library-2/daia",)) for _ in range(20)]
        for thread in hanging:
            thread.start()
        while http.get("/control/library-2").json()["requests"]["total"] < 20:
            time.sleep(0.01)

        started = time.monotonic()
        status = http.get("/library-4/daia?id=x&format=json").status_code

        assert status == 200
        assert time.monotonic() - started < 1
        for thread in hanging:
            thread.join()


def test_answers_that_are_no_http__leave_the_server_standing(url: str) -> None:
    with httpx2.Client(base_url=url, trust_env=False, timeout=10) as http:
        for mood in ({"outage": "refuse"}, {"malformed": "not_http"}, {"malformed": "truncated"}):
            http.put("/control/library-2", json=mood)
            with pytest.raises(httpx2.TransportError):
                http.get("/library-2/daia?id=x&format=json")

        assert http.get("/health").json()["status"] == "ok"


def _ask_and_give_up(url: str) -> None:
    with suppress(httpx2.TimeoutException):
        httpx2.get(url, timeout=2, trust_env=False)

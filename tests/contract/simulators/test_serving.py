"""The simulators as a process: they start quickly, hang without being stuck, and end when told to."""

import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

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
    with ExitStack() as hanging, httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        http.put("/control/library-2", json={"outage": "hang"})
        for _ in range(20):
            hanging.enter_context(_asking(url, "/library-2/daia"))
        while http.get("/control/library-2").json()["requests"]["total"] < 20:
            time.sleep(0.01)

        assert http.get("/library-4/daia?id=x&format=json").status_code == 200


def test_answers_that_are_no_http__leave_the_server_standing(url: str) -> None:
    with httpx2.Client(base_url=url, trust_env=False, timeout=10) as http:
        for mood in ({"outage": "refuse"}, {"malformed": "not_http"}, {"malformed": "truncated"}):
            http.put("/control/library-2", json=mood)
            with pytest.raises(httpx2.TransportError):
                http.get("/library-2/daia?id=x&format=json")

        assert http.get("/health").json()["status"] == "ok"


def _asking(url: str, path: str) -> socket.socket:
    """A connection with a request, which whoever has it does not give up."""
    address = urlsplit(url)
    line = socket.create_connection((str(address.hostname), int(address.port or 80)))
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    return line

"""The server's ASGI side: every request has a context of its own, and what runs is finished before the end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from bookwell.cli.processes import spawn, stop
from tests.e2e.embedded import wait_until
from tests.infrastructure.servers import free_port

APPLICATION = """
import time
from pathlib import Path
from fastapi import FastAPI
from bookwell.kit.adapters.fastapi.edge import Edge
from bookwell.kit.request_context import request_id

FOLDER = Path(__file__).parent
application = FastAPI()
application.add_middleware(Edge, max_body_bytes=1024, hosts=["127.0.0.1"])

@application.get("/named")
def named() -> str:
    time.sleep(0.01)
    return request_id()

@application.get("/slow")
def slow() -> str:
    (FOLDER / "began").touch()
    while not (FOLDER / "released").exists():
        time.sleep(0.01)
    return "finished"
"""
SERVE = """
import sys
from bookwell.cli.server import Serving, serve_asgi
if __name__ == "__main__":
    serve_asgi(Serving("asgi_application:application", "127.0.0.1", int(sys.argv[1]), stop_seconds=10))
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx2.Client]]:
    (tmp_path / "asgi_application.py").write_text(APPLICATION)
    (tmp_path / "serve.py").write_text(SERVE)
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = spawn([sys.executable, str(tmp_path / "serve.py"), str(port)], output=log)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
        wait_until(lambda: _answers(http))
        yield process, http
    stop(process, ask=signal.SIGKILL, grace_seconds=1)


def test_requests__at_once__have_ids_of_their_own(served: tuple[subprocess.Popen[bytes], httpx2.Client]) -> None:
    _, http = served
    names = [f"request-{number}" for number in range(100)]

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda name: http.get("/named", headers={"X-Request-ID": name}), names))

    assert [answer.json() for answer in told] == names
    assert [answer.headers["x-request-id"] for answer in told] == names


def test_serve__a_second_server_on_the_port__ends_and_says_so(
    served: tuple[subprocess.Popen[bytes], httpx2.Client], tmp_path: Path
) -> None:
    process, http = served

    second = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, str(tmp_path / "serve.py"), str(http.base_url.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (second.returncode, "Address already in use" in second.stderr) == (1, True), second.stderr
    assert process.poll() is None


def test_sigterm__a_request_runs__is_answered_first(
    served: tuple[subprocess.Popen[bytes], httpx2.Client], tmp_path: Path
) -> None:
    process, http = served

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(http.get, "/slow")
        wait_until((tmp_path / "began").exists)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not _answers_anew(http))
        (tmp_path / "released").touch()
        answer = running.result(30)

    assert (answer.status_code, answer.json()) == (200, "finished")
    assert process.wait(60) == 0


def _answers(http: httpx2.Client) -> bool:
    try:
        return http.get("/named").status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def _answers_anew(http: httpx2.Client) -> bool:
    """Whether the server takes another connection."""
    try:
        return httpx2.get(http.base_url.join("/named"), trust_env=False, timeout=1).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False

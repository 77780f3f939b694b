"""The simulated partner libraries as a process, and the partners service over them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bookwell.cli.processes import spawn, stop
from tests.e2e.embedded import wait_until
from tests.infrastructure.servers import free_port

__all__ = ["control", "running_simulators"]


@contextmanager
def running_simulators(folder: Path) -> Iterator[httpx2.Client]:
    """`python -m bookwell.simulators`, and a client for its controls."""
    port = free_port()
    with (folder / "simulators.log").open("wb") as log:
        process = spawn([sys.executable, "-m", "bookwell.simulators", "--port", str(port)], output=log)
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        try:
            wait_until(lambda: _answers(http))
            yield http
        finally:
            stop(process)


def control(number: int) -> str:
    """The address of a library's controls."""
    return f"/control/library%20{number}"


def _answers(http: httpx2.Client) -> bool:
    try:
        return http.get(control(2)).status_code == 200
    except httpx2.TransportError:
        return False

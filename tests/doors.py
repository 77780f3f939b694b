"""The partners service's two doors, served over HTTP: its own, and the one for Python 2.7 before it."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from flask import Flask
from werkzeug.serving import make_server

from bookwell.cli.processes import spawn, stop
from tests.fake_partners import World, in_world
from tests.infrastructure.python27 import bring_door_environment
from tests.infrastructure.servers import free_port

__all__ = ["DOOR_FOLDER", "Door", "in_front_of_a_world", "python27_door"]

DOOR_FOLDER = Path(__file__).resolve().parents[1] / "deploy/python27"
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Door:
    """Where a door answers, and what it wrote to its standard output."""

    http: httpx2.Client
    log: Path | None = None

    def records(self) -> list[dict[str, Any]]:
        """The log so far; what is no JSON is the server's own."""
        assert self.log is not None
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@contextmanager
def in_front_of_a_world(name: str) -> Iterator[tuple[Door, World]]:
    """The door of this name, `partners` or `python27`, over partners and a library that do as a test says."""
    with in_world() as world, _serving(world.client.application) as url:
        if name == "partners":
            with _client(url) as http:
                yield Door(http), world
        else:
            with python27_door(url) as door:
                yield door, world


@contextmanager
def python27_door(partners_url: str, **environment: str) -> Iterator[Door]:
    """The door for Python 2.7, before a partners service at this address."""
    python, port = bring_door_environment(), free_port()
    given = {"BOOKWELL_PARTNERS_URL": partners_url, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    server = ["gunicorn", "--workers=2", f"--bind=127.0.0.1:{port}", f"--chdir={DOOR_FOLDER}", "app:application"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            child = spawn([python.bin / server[0], *server[1:]], env=python.environment | given, output=output)
        try:
            with _client(f"http://127.0.0.1:{port}") as http:
                _wait_for(http, child, log)
                yield Door(http, log)
        finally:
            stop(child)


@contextmanager
def _serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _client(url: str) -> httpx2.Client:
    return httpx2.Client(base_url=url, trust_env=False, timeout=20)


def _wait_for(http: httpx2.Client, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            http.get("/health")
        except httpx2.TransportError:
            assert child.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return

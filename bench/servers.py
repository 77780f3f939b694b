"""Web servers that can carry an application with two worker processes; granian as `bookwell serve` runs it."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.servers import free_port

__all__ = ["ASGI", "CHOSEN", "MANY_THREADS", "SERVERS", "WORKERS", "Site", "running_site"]

WORKERS = 2
_START_SECONDS = 60
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Site:
    """A running application under a server."""

    server: str
    url: str


def _gunicorn(app: str, port: int, *options: str) -> list[str]:
    common = ["--no-control-socket", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}", "--log-level", "error"]
    return [str(_BIN / "gunicorn"), *common, *options, app]


def _granian(app: str, port: int, *threads: str) -> list[str]:
    return [sys.executable, "-m", "bench.serving", app, str(port), *threads]


SERVERS: dict[str, Callable[[str, int], list[str]]] = {
    "gunicorn-sync": _gunicorn,
    "gunicorn-gthread-4": lambda app, port: _gunicorn(app, port, "--threads", "4"),
    "gunicorn-gthread-8": lambda app, port: _gunicorn(app, port, "--threads", "8"),
    "granian-1": lambda app, port: _granian(app, port, "1"),
    "granian-2": lambda app, port: _granian(app, port, "2"),
    "granian-4": lambda app, port: _granian(app, port, "4"),
    "granian-8": lambda app, port: _granian(app, port, "8"),
}
"""Command lines by name; the number is that of threads in each worker."""

MANY_THREADS = "granian-64"
"""For requests that wait for others."""

ASGI = "granian-asgi"
"""For applications with a loop of their own, as `bookwell serve` runs them."""

CHOSEN = "granian-4"
"""What `bookwell up` and the images use in production (ADR 0007)."""


@contextmanager
def running_site(server: str, app: str, *, env: Mapping[str, str], log: Path, probe: str) -> Iterator[Site]:
    """Start `app` under `server`, wait until `probe` answers, stop it in the end.

    Raises:
        RuntimeError: with the log's end when it does not answer in time.
    """
    port = free_port()
    root = str(Path(__file__).resolve().parent.parent)
    environment = os.environ | {"PYTHONPATH": root} | dict(env)
    with log.open("wb") as output:
        process = spawn(_command(server, app, port), env=environment, output=output)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url + probe, process, log)
        yield Site(server, url)
    finally:
        stop(process)


def _command(server: str, app: str, port: int) -> list[str]:
    if server == ASGI:
        return _granian(app, port)
    return _granian(app, port, "64") if server == MANY_THREADS else SERVERS[server](app, port)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 -- our own loopback address
                return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")

"""The library served from processes of its own over the database under test, and tokens to call it with."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from django.conf import settings

from bookwell.cli.processes import spawn, stop
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts import services
from bookwell.library.accounts.models import User
from tests.e2e.embedded import descendants, is_alive, thread_count, wait_until
from tests.infrastructure.servers import free_port

__all__ = ["Served", "serving", "token_of"]

_START_SECONDS = 120
_THREADS_OF_A_WORKER = 3
"""A worker of the server has at least so many; what else runs below the server has one or two."""


@dataclass(slots=True)
class Served:
    """`bookwell serve library` on one port, as often as it is started."""

    database_url: str
    workers: int
    log: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers. Call it from the main thread."""
        options = [f"--port={self.port}", f"--workers={self.workers}"]
        command = [sys.executable, "-m", "bookwell.cli.main", "serve", "library", *options]
        issuer = {"BOOKWELL_LIBRARY_URL": settings.TOKEN_ISSUER}  # so that tokens signed in the test are good
        environment = os.environ | issuer | {"BOOKWELL_LIBRARY_DATABASE_URL": self.database_url}
        with self.log.open("ab") as stream:
            self.process = spawn(command, env=environment, output=stream)
        with httpx2.Client(base_url=self.url, trust_env=False, timeout=5) as http:
            wait_until(lambda: _is_ready(http) or self._has_ended(), seconds=_START_SECONDS)
        assert not self._has_ended(), self.log.read_text()

    def kill_worker(self, chance: random.Random) -> None:
        """`kill -9` one of the processes that answer; the server starts another one."""
        working: list[int] = []

        def some_work() -> bool:
            working[:] = self._working()
            return bool(working)

        wait_until(some_work)
        victim = chance.choice(working)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not is_alive(victim))

    def kill(self) -> None:
        """`kill -9` all of it at once."""
        assert self.process is not None
        below = descendants(self.process.pid)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in below))

    def _working(self) -> list[int]:
        """The processes that answer; one that was just started does not yet."""
        assert self.process is not None
        return [pid for pid in descendants(self.process.pid) if thread_count(pid) >= _THREADS_OF_A_WORKER]

    def _has_ended(self) -> bool:
        return self.process is None or self.process.poll() is not None


@contextmanager
def serving(database_url: str, *, workers: int, log: Path) -> Iterator[Served]:
    """The library, started; killed in the end, because a worker that is still starting makes it slow to stop."""
    served = Served(database_url, workers, log)
    try:
        served.start()
        yield served
    finally:
        if served.process is not None:
            stop(served.process, ask=signal.SIGKILL)


def token_of(user: User) -> str:
    """An access token of a new session, good for five minutes."""
    pair = run_in_transaction(lambda: services.open_session(user=user, now=clock.now()))
    assert pair is not None
    return pair.access


def _is_ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/health/ready").status_code == 200
    except httpx2.TransportError:
        return False

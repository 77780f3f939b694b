"""Programs of the product as a user starts them, killed with `kill -9` and started again."""

import os
import random
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bookwell.cli.processes import spawn
from tests.e2e.embedded import descendants, is_alive, wait_until

__all__ = ["Part"]


@dataclass(slots=True)
class Part:
    """One program; its log is `log`. Start it from the main thread.

    `may_fail` says how often it may end by itself: a Celery worker does when a child is killed while it is starting.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    may_fail: int = 0
    failures: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it runs, as a supervisor does; it may need seconds until it works.

        Raises:
            AssertionError: if it has ended by itself too often, and not well.
        """
        if self.process is not None and self.process.poll() not in {None, 0, -signal.SIGKILL}:
            self.failures += 1
            assert self.failures <= self.may_fail, f"{self.name}: {self.log.read_text()[-4000:]}"
        if self.process is None or self.process.poll() is not None:
            with self.log.open("ab") as stream:
                self.process = spawn(self.command, env=self.environment, output=stream, death_signal=signal.SIGKILL)

    def kill(self) -> None:
        """`kill -9` of the program and everything below it."""
        if self.process is None:
            return
        below = descendants(self.process.pid) if self.process.poll() is None else []
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in below:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in below))

    def kill_child(self, chance: random.Random) -> None:
        """`kill -9` of one process below the program, where there is one."""
        if self.process is not None and self.process.poll() is None and (below := descendants(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(below), signal.SIGKILL)

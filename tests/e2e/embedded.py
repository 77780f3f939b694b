"""`bookwell up` as a person runs it: a process, its output, its children."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.servers import free_port

__all__ = ["Up", "command_line", "descendants", "is_alive", "run_up", "thread_count", "wait_until"]

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Up:
    """A running (or ended) `bookwell up`."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    mail_port: int
    output: Path

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text()

    def is_ready(self) -> bool:
        """Whether the library answers that it is ready."""
        try:
            with _OPENER.open(f"http://127.0.0.1:{self.port}/health/ready", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        """Wait for the words that say so."""
        wait_until(lambda: "Bookwell is ready" in self.text or self.process.poll() is not None)
        assert "Bookwell is ready" in self.text, self.text

    def descendants(self) -> list[int]:
        """The processes below it."""
        return descendants(self.process.pid)


@contextmanager
def run_up(
    folder: Path,
    *options: str,
    port: int | None = None,
    password: str = "",
    clock_offset: float = 0,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Up]:
    """Start `bookwell up` in `folder`, `clock_offset` seconds ahead; whatever is left of it in the end is stopped."""
    port = port or free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    environment |= {"BOOKWELL_LIBRARY_PORT": str(port), "BOOKWELL_DATA_DIR": str(folder / "data")}
    mail_port = free_port()
    environment |= {"BOOKWELL_MAIL_PORT": str(mail_port), "BOOKWELL_CLOCK_OFFSET": str(clock_offset)}
    environment |= {f"BOOKWELL_{name}_PORT": str(free_port()) for name in ("PARTNERS", "SIMULATORS", "TABLES")}
    environment |= {"BOOKWELL_DEMO_PASSWORD": password} if password else {}
    environment |= variables or {}
    output = folder / "output.txt"
    with output.open("wb") as stream:
        process = spawn([sys.executable, "-m", "bookwell.cli.main", "up", *options], env=environment, output=stream)
    try:
        yield Up(process, folder / "data", port, mail_port, output)
    finally:
        stop(process, grace_seconds=30)


def wait_until(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Look every 50 ms.

    Raises:
        TimeoutError: if the condition does not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs (one that has ended and waits to be collected does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter when it goes between opening and reading
        return False
    return state != "Z"


def thread_count(pid: int) -> int:
    """How many threads a process has: the one that works for the server has many. None when it has ended."""
    return len(_threads(pid))


def command_line(pid: int) -> str:
    """The words that a process was started with, parted by NUL; nothing when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def descendants(pid: int) -> list[int]:
    """The processes below one; whichever ends meanwhile is left out, with what was below it."""
    return [below for child in _children(pid) for below in (child, *descendants(child))]


def _children(pid: int) -> list[int]:
    return [child for thread in _threads(pid) for child in _children_of_thread(thread)]


def _children_of_thread(thread: Path) -> list[int]:
    """None when it has ended; the other threads of its process may still have some."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in (thread / "children").read_text().split()]
    return []


def _threads(pid: int) -> list[Path]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []

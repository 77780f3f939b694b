"""Starts the embedded services, watches them, and stops them together.

A service that ends is started again after a pause, which doubles as long as it keeps ending soon. While they start for
the first time nothing is started again: the first that ends stops everything.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from urllib.error import URLError

from bookwell.cli.processes import spawn, stop
from bookwell.kit.private_files import make_private_folder

__all__ = ["Service", "StartFailed", "Supervisor", "check_ports", "shorten_log"]

_READY_SECONDS = 120
_LOOK_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 30  # who ran that long did not end because of how it starts
_LOG_LIMIT_BYTES = 10 * 1024 * 1024
_LOG_LOOK_SECONDS = 10.0
_LOG_TAIL_CHARACTERS = 2000
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never behind a proxy


class StartFailed(Exception):
    """The services could not be started; the message is for the person who tried."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process to keep running.

    A server is ready when `/health/ready` on its loopback port answers 200, a process without a port as soon as it
    has written `ready_file`. Told to stop, it is ended by force when it has not ended in `stop_seconds`.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    port: int | None = None
    port_variable: str = ""
    ready_file: Path | None = None
    stop_seconds: float = 10

    @property
    def url(self) -> str:
        """Where it answers, if it listens."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(slots=True)
class _Running:
    service: Service
    process: subprocess.Popen[bytes]
    started_at: float
    pause: float = _FIRST_PAUSE_SECONDS
    start_again_at: float | None = None


def check_ports(services: Sequence[Service]) -> None:
    """Refuse to start where something listens already, or two services would: the server lets two share a port.

    Raises:
        StartFailed: naming each such port and the variables that move it.
    """
    listening: dict[int, list[Service]] = {}
    for service in services:
        if service.port is not None:
            listening.setdefault(service.port, []).append(service)
    lines = [line for port, there in listening.items() for line in _port_problems(port, there)]
    if lines:
        raise StartFailed("\n".join(lines))


@dataclass(slots=True)
class Supervisor:
    """Keeps services running until SIGINT or SIGTERM; `say` tells the person at the terminal what happens."""

    services: Sequence[Service]
    say: Callable[[str], None]
    _running: list[_Running] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, on_ready: Callable[[], None]) -> None:
        """Start, wait until all are ready, call `on_ready`, watch; returns when everything has stopped.

        Raises:
            StartFailed: when a service ends, or does not become ready in time, at the first start.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
                signal.signal(number, self._ask_to_stop)
        try:
            for service in self.services:  # one by one: those before one that cannot be started are stopped again
                self._running.append(_Running(service, _start(service), time.monotonic()))
            for child in self._running:
                self._wait_until_ready(child)
            if not self._stopping.is_set():
                on_ready()
            self._watch()
        finally:
            for child in reversed(self._running):
                stop(child.process, grace_seconds=child.service.stop_seconds)

    def _watch(self) -> None:
        shortened_at = time.monotonic()
        while not self._stopping.wait(_LOOK_SECONDS):
            for child in self._running:
                self._look_after(child)
            if time.monotonic() - shortened_at > _LOG_LOOK_SECONDS:
                shortened_at = time.monotonic()
                for child in self._running:
                    shorten_log(child.service.log)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()

    def _wait_until_ready(self, child: _Running) -> None:
        deadline = child.started_at + _READY_SECONDS
        while not self._stopping.wait(_LOOK_SECONDS):
            if child.process.poll() is not None:
                raise StartFailed(f"{child.service.name} ended while starting.\n{_log_tail(child.service)}")
            if _is_ready(child.service):
                return
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{child.service.name} is not ready after {_READY_SECONDS} s.\n{_log_tail(child.service)}"
                )

    def _look_after(self, child: _Running) -> None:
        now = time.monotonic()
        if child.start_again_at is not None:
            if now >= child.start_again_at:
                self._start_again(child, now)
        elif (status := child.process.poll()) is not None:
            if now - child.started_at > _HEALTHY_SECONDS:
                child.pause = _FIRST_PAUSE_SECONDS
            self._tell(f"{child.service.name} ended with status {status}; starting it again in {child.pause:g} s.")
            _postpone(child, now)

    def _tell(self, line: str) -> None:
        with suppress(OSError):  # the terminal, or whoever read the pipe, has gone; the services go on
            self.say(line)

    def _start_again(self, child: _Running, now: float) -> None:
        try:
            child.process = _start(child.service)
        except OSError as error:  # no memory, no process, no disk: the other services go on
            reason = error.strerror or type(error).__name__
            self._tell(f"{child.service.name} cannot be started ({reason}); trying again in {child.pause:g} s.")
            _postpone(child, now)
        else:
            child.started_at, child.start_again_at = now, None


def shorten_log(log: Path) -> None:
    """Keep a log that has become too long beside itself, instead of the one before, and begin it anew.

    Whoever writes at its end goes on there; what is written at this very moment may be lost.
    """
    with suppress(OSError):  # none yet, or a full disk: the next look tries again
        if log.stat().st_size > _LOG_LIMIT_BYTES:
            shutil.copyfile(log, log.with_suffix(".old.log"))
            os.truncate(log, 0)


def _postpone(child: _Running, now: float) -> None:
    child.start_again_at = now + child.pause
    child.pause = min(child.pause * 2, _LONGEST_PAUSE_SECONDS)


def _start(service: Service) -> subprocess.Popen[bytes]:
    make_private_folder(service.log.parent)
    if service.ready_file is not None:
        service.ready_file.unlink(missing_ok=True)
    shorten_log(service.log)
    with service.log.open("ab") as log:
        return spawn(service.command, env=service.environment, output=log)


def _port_problems(port: int, services: Sequence[Service]) -> Iterator[str]:
    names = " and ".join(service.name for service in services)
    variables = " or ".join(service.port_variable for service in services)
    if len(services) > 1:
        yield f"Port {port} is that of {names}. Choose another with {variables}."
    elif not _is_free(port):
        yield (
            f"Port {port} is taken: {names} cannot listen on it. "
            f"Stop what listens there, or choose another with {variables}."
        )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just given up is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _is_ready(service: Service) -> bool:
    if service.ready_file is not None:
        return service.ready_file.exists()
    try:
        with _OPENER.open(f"{service.url}/health/ready", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _log_tail(service: Service) -> str:
    return f"The end of {service.log}:\n{service.log.read_text(errors='replace')[-_LOG_TAIL_CHARACTERS:]}"

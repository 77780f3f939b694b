"""A round-robin proxy and callers of it, as small as can be: for what becomes of requests while servers come and go."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field

from bookwell.cli.healthy import is_healthy

__all__ = ["Load", "Proxy", "load", "outcome_of", "proxy"]

_CHECK_SECONDS = 0.05
_ANSWER_SECONDS = 30
_PAUSE_SECONDS = 0.01


@dataclass(slots=True)
class Proxy:
    """Gives each connection one server that says it is ready; `port` is its own.

    A connection that a server refuses goes to the next one: nothing was sent. Otherwise it never tries twice.
    """

    servers: list[int]
    listener: socket.socket
    ready: list[int] = field(default_factory=list)
    turn: int = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def look(self) -> None:
        """Ask every server whether it is ready."""
        self.ready = [port for port in self.servers if is_healthy(str(port))]

    def carry(self, caller: socket.socket) -> None:
        """One connection: whatever comes, in both directions, until the server ends it."""
        with caller, suppress(OSError):
            server = self._connect()
            if server is None:
                return
            with server:
                back = threading.Thread(target=_pour, args=(server, caller))
                back.start()
                _pour(caller, server)
                back.join()

    def _connect(self) -> socket.socket | None:
        for _ in range(len(self.servers)):
            self.turn += 1
            chosen = self.ready or self.servers
            with suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", chosen[self.turn % len(chosen)]), timeout=_ANSWER_SECONDS)
        return None


@contextmanager
def proxy(servers: list[int]) -> Iterator[Proxy]:
    """A running proxy before servers on these loopback ports."""
    done = threading.Event()
    running = Proxy(servers, socket.create_server(("127.0.0.1", 0), backlog=128))
    running.look()

    def check() -> None:
        while not done.wait(_CHECK_SECONDS):
            running.look()

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller, _ = running.listener.accept()
                threading.Thread(target=running.carry, args=(caller,), daemon=True).start()

    threads = [threading.Thread(target=each, daemon=True) for each in (check, accept)]
    for thread in threads:
        thread.start()
    try:
        yield running
    finally:
        done.set()
        running.listener.shutdown(socket.SHUT_RDWR)
        running.listener.close()
        for thread in threads:
            thread.join(10)


@dataclass(slots=True)
class Load:
    """What became of requests, by status; those without an answer by their error."""

    answers: Counter[str] = field(default_factory=Counter)

    @property
    def number(self) -> int:
        """How many there were."""
        return self.answers.total()


Request = tuple[str, str, bytes | None, Mapping[str, str]]
"""Method, path, body, headers."""


@contextmanager
def load(port: Callable[[], int | None], request: Callable[[int], Request], *, callers: int = 4) -> Iterator[Load]:
    """Callers who send one request after the other while the block runs, each on a connection of its own.

    Nobody sends anything while there is no `port`. When the block ends, all have their answers.
    """
    done, counted, lock = threading.Event(), Load(), threading.Lock()
    numbers = iter(range(1_000_000))

    def call() -> None:
        while not done.wait(_PAUSE_SECONDS):
            target = port()
            if target is None:
                continue
            with lock:
                number = next(numbers)
            outcome = outcome_of(target, request(number))
            with lock:
                counted.answers[outcome] += 1

    threads = [threading.Thread(target=call, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        done.set()
        deadline = time.monotonic() + _ANSWER_SECONDS
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))


def outcome_of(port: int, request: Request) -> str:
    """The status of a request on a connection of its own, or the kind of the error that came instead."""
    method, path, body, headers = request
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)) as connection:
        try:
            connection.request(method, path, body, {"Connection": "close", **headers})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return str(answer.status)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

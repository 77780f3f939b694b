"""A deadline for a whole conversation over a socket, whatever it waits for."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

__all__ = ["Watchdog"]

_LEAST_SECONDS = 0.001  # a time-out of zero would mean a socket that does not wait
_LONGEST_SHARE_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_LOOKS_WHEN_IDLE = 40


class _Kennel:
    """The thread that looks after all watchdogs of the process; a timer for each would cost a thread a mail."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._awake: set[Watchdog] = set()
        self._thread: threading.Thread | None = None

    def wake(self, watchdog: "Watchdog") -> None:
        """Look after this one from now on."""
        with self._guard:
            self._awake.add(watchdog)
            if self._thread is None or not self._thread.is_alive():  # the thread of a parent is none of ours
                self._thread = threading.Thread(target=self._look, daemon=True)
                self._thread.start()

    def let_sleep(self, watchdog: "Watchdog") -> None:
        """Look after it no longer."""
        with self._guard:
            self._awake.discard(watchdog)

    def _look(self) -> None:
        idle = 0
        while True:
            time.sleep(_LOOK_SECONDS)
            with self._guard:
                over = [watchdog for watchdog in self._awake if watchdog.is_over]
                idle = 0 if self._awake else idle + 1
                if idle > _LOOKS_WHEN_IDLE:
                    self._thread = None
                    return
            for watchdog in over:
                watchdog.bite()


_kennel = _Kennel()


class Watchdog:
    """Shuts the watched connection when `seconds` are over; leaving the `with` block calls it off."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._guard = threading.Lock()
        self._control: socket.socket | None = None

    def __enter__(self) -> Self:
        _kennel.wake(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call_off()

    def call_off(self) -> None:
        """Watch no longer: the connection goes on to live."""
        _kennel.let_sleep(self)
        with self._guard:
            self._control = None

    @property
    def remaining(self) -> float:
        """The seconds that are left, never zero."""
        return max(self._ends_at - time.monotonic(), _LEAST_SECONDS)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._ends_at

    def connect(self, host: str, port: int, *, check: Callable[[str], None] | None = None) -> socket.socket:
        """A connected socket; every address of the host is tried while there is time.

        None but the last may take the time of those that are left: a host often has an address that does not answer.
        `check` gets each address before it is connected to, and raises an OSError for one that must not be.

        Raises:
            OSError: if none answers in time.
        """
        error: OSError = TimeoutError("no address")
        found = _resolve(host, port, self.remaining)
        for left, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
            line = socket.socket(family, kind, protocol)
            try:
                if check is not None:
                    check(str(address[0]))
                line.settimeout(self._share(left))
                line.connect(address)
            except OSError as caught:
                line.close()
                error = caught
            else:
                return line
        raise error

    def _share(self, left: int) -> float:
        """The seconds for one of so many addresses that are left."""
        return self.remaining if left == 1 else min(self.remaining / left, _LONGEST_SHARE_SECONDS)

    def control_of(self, line: socket.socket) -> socket.socket:
        """A second handle on the connection, watched from now on; TLS takes the first one away from its owner."""
        control = line.dup()
        self.watch(control)
        return control

    def watch(self, control: socket.socket | None) -> None:
        """Watch this handle; shut it at once when the time is up already."""
        with self._guard:
            self._control = control
        if self.is_over:
            self.bite()

    def bite(self) -> None:
        """Shut the watched connection: whoever reads from it or writes to it gets an error at once."""
        with self._guard, contextlib.suppress(OSError):
            if self._control is not None:
                self._control.shutdown(socket.SHUT_RDWR)


def _resolve(host: str, port: int, seconds: float) -> Any:
    """The host's addresses; in a thread of its own, because the system's resolver takes no deadline."""
    found: Future[Any] = Future()

    def ask() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return found.result(seconds)

"""The HTTP server of every service; the one place that knows which it is (docs/adr/0007)."""

import gc
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from bookwell.cli.processes import die_with_parent
from bookwell.kit.draining import watch_notice

__all__ = ["Serving", "metrics_folder", "serve_asgi", "serve_wsgi", "serving_command"]

_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_HEADER_BUFFER_BYTES = 32_768  # the server reads up to about twice this, then answers 431
_STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
_THREAD_IDLE_SECONDS = 600  # a thread that ends takes its database connection along


def serving_command(service: str, *, port: int) -> list[str]:
    """The command line of an embedded server: one process that works, with the service's usual threads."""
    return [sys.executable, "-m", "bookwell.cli.main", "serve", service, f"--port={port}", "--workers=1"]


@dataclass(frozen=True, slots=True)
class Serving:
    """`module:application` at an address, in so many processes, and how it stops.

    Asked to, it goes on for `drain_seconds`, then takes no more requests, and waits `stop_seconds` at most for those
    that it has begun.
    """

    target: str
    host: str
    port: int
    stop_seconds: float
    workers: int = 1
    drain_seconds: float = 0


def serve_wsgi(serving: Serving, *, threads: int) -> None:
    """Serve until SIGINT or SIGTERM, then finish what runs.

    A worker that dies is replaced, unless its replacement dies within 5.5 s: that ends the server, and whoever runs it
    starts it again. All workers end with this process, however it ends.
    """
    idle = {"blocking_threads_idle_timeout": _THREAD_IDLE_SECONDS}
    _serve(Interfaces.WSGI, serving, blocking_threads=threads, **idle)


def serve_asgi(serving: Serving) -> None:
    """The same for an application with a loop of its own; how many threads work for it is its own setting."""
    _serve(Interfaces.ASGI, serving, loop=Loops.asyncio)


def _serve(interface: Interfaces, serving: Serving, **options: Any) -> None:
    with (
        _port_to_ourselves(serving.host, serving.port),
        metrics_folder(serving.workers),
        TemporaryDirectory(prefix="bookwell-server-") as folder,
    ):
        server = Granian(
            serving.target,
            address=serving.host,
            port=serving.port,
            interface=interface,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(max_buffer_size=_HEADER_BUFFER_BYTES),
            websockets=False,
            workers=serving.workers,
            respawn_failed_workers=True,
            workers_kill_timeout=ceil(serving.stop_seconds),
            log_level=LogLevels.warning,  # what happens to requests, the application logs
            **options,
        )
        _have_workers_hear()
        notice = Path(folder) / "draining"
        stop = server.signal_handler_interrupt
        server.signal_handler_interrupt = _drain_first(serving.drain_seconds, notice, stop)  # type: ignore[method-assign]  # its hook
        server.serve(target_loader=partial(_load, os.getpid(), notice))


@contextmanager
def _port_to_ourselves(host: str, port: int) -> Iterator[None]:
    """Keep the port, which the workers listen at, from other servers for as long as the block runs.

    A socket that is bound and never listens does: workers may share the port with it (SO_REUSEPORT), the probe of
    another server may not, also while no worker listens yet or one is replaced. Connections that a former server left
    behind (TIME_WAIT) hinder neither.

    Raises:
        SystemExit: in one line, where the server would say it in a hundred: the port is taken, or the address is no
            one of ours.
    """
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SystemExit(f"Nothing can listen at {host}, port {port}: {error.strerror}") from None
    with socket.socket(family, kind) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with suppress(OSError):  # another program's connections in TIME_WAIT: the listening workers will have to do
            holder.bind(address)
        yield


def _drain_first(seconds: float, notice: Path, stop: Callable[[], None]) -> Callable[..., None]:
    """What SIGTERM does: leave the notice, and stop a while later. SIGINT, or a second signal, stops at once.

    A thread does so, which the interpreter wakes through a pipe: a handler would run in the main thread, when that next
    wakes, and where it may hold the lock that stopping needs.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def watch() -> None:
        while (number := os.read(reader, 1)[0]) not in _STOP_SIGNALS:
            continue
        if number == signal.SIGTERM and seconds:
            notice.touch()
            select.select([reader], [], [], seconds)
        stop()

    threading.Thread(target=watch, name="told to stop", daemon=True).start()
    return _leave_to_the_thread


def _have_workers_hear() -> None:
    """A new worker has its parent's handlers until the server gives it others, and would hear nothing.

    What it is told before it can have the system's waits for it.
    """
    hold = partial(signal.pthread_sigmask, signal.SIG_BLOCK, _STOP_SIGNALS)
    let_through = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, _STOP_SIGNALS)

    def end_when_told() -> None:
        signal.set_wakeup_fd(-1)
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        let_through()

    os.register_at_fork(before=hold, after_in_parent=let_through, after_in_child=end_when_told)


def _leave_to_the_thread(*_: Any) -> None:
    """A handler must be there, or the interpreter would not tell of the signal."""


@contextmanager
def metrics_folder(workers: int) -> Iterator[None]:
    """Where several workers count together, for as long as they run; an operator's own folder is left alone.

    Set before the workers start: the metrics library looks for it when it is imported.
    """
    if workers == 1 or _METRICS_FOLDER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="bookwell-metrics-") as folder:
        os.environ[_METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_METRICS_FOLDER]


def _load(parent: int, notice: Path, target: str) -> Any:
    """In a new worker: the application, after making sure that the worker ends with its parent.

    What is loaded by then stays as long as the worker. Python is told, or it would look through all of it for what may
    go, again and again, and each time hold up every request for a tenth of a second.
    """
    die_with_parent(parent, signal.SIGKILL)
    watch_notice(notice)
    module, _, name = target.partition(":")
    application = getattr(import_module(module), name)
    gc.collect()
    gc.freeze()
    return application

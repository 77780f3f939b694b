"""The HTTP server of every service; the one place that knows which it is (docs/adr/0007)."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from bookwell.cli.processes import die_with_parent

__all__ = ["metrics_folder", "serve_asgi", "serve_wsgi", "serving_command"]

_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_HEADER_BUFFER_BYTES = 32_768  # the server reads up to about twice this, then answers 431
_STOP_SECONDS = 10
_THREAD_IDLE_SECONDS = 600  # a thread that ends takes its database connection along


def serving_command(service: str, *, port: int) -> list[str]:
    """The command line of an embedded server: one process that works, with the service's usual threads."""
    return [sys.executable, "-m", "bookwell.cli.main", "serve", service, f"--port={port}", "--workers=1"]


def serve_wsgi(target: str, *, host: str, port: int, workers: int, threads: int) -> None:
    """Serve `module:application` until SIGINT or SIGTERM, then finish what runs.

    A worker that dies is replaced, unless its replacement dies within 5.5 s: that ends the server, and whoever runs it
    starts it again. All workers end with this process, however it ends.
    """
    idle = {"blocking_threads_idle_timeout": _THREAD_IDLE_SECONDS}
    _serve(Interfaces.WSGI, target, host=host, port=port, workers=workers, blocking_threads=threads, **idle)


def serve_asgi(target: str, *, host: str, port: int, workers: int) -> None:
    """The same for an application with a loop of its own; how many threads work for it is its own setting."""
    _serve(Interfaces.ASGI, target, host=host, port=port, workers=workers, loop=Loops.asyncio)


def _serve(interface: Interfaces, target: str, *, host: str, port: int, workers: int, **options: Any) -> None:
    server = Granian(
        target,
        address=host,
        port=port,
        interface=interface,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=_HEADER_BUFFER_BYTES),
        websockets=False,
        workers=workers,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
        log_level=LogLevels.warning,  # what happens to requests, the application logs
        **options,
    )
    with metrics_folder(workers):
        server.serve(target_loader=partial(_load, os.getpid()))


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


def _load(parent: int, target: str) -> Any:
    """In a new worker: the application, after making sure that the worker ends with its parent."""
    die_with_parent(parent, signal.SIGKILL)
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)

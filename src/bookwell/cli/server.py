"""The HTTP server of a Django service; the one place that knows which it is (docs/adr/0007)."""

import os
import signal
import sys
from functools import partial
from importlib import import_module
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from bookwell.cli.processes import die_with_parent

__all__ = ["EMBEDDED_THREADS", "serve_wsgi", "serving_command"]

EMBEDDED_THREADS = 8
_HEADER_BUFFER_BYTES = 32_768  # the server reads up to about twice this, then answers 431
_STOP_SECONDS = 10
_THREAD_IDLE_SECONDS = 600  # a thread that ends takes its database connection along


def serving_command(service: str, *, port: int) -> list[str]:
    """The command line of an embedded server: one process that works, with several threads."""
    options = [f"--port={port}", "--workers=1", f"--threads={EMBEDDED_THREADS}"]
    return [sys.executable, "-m", "bookwell.cli.main", "serve", service, *options]


def serve_wsgi(target: str, *, host: str, port: int, workers: int, threads: int) -> None:
    """Serve `module:application` until SIGINT or SIGTERM, then finish what runs.

    A worker that dies is replaced; all of them end with this process, however it ends.
    """
    server = Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(max_buffer_size=_HEADER_BUFFER_BYTES),
        websockets=False,
        workers=workers,
        blocking_threads=threads,
        blocking_threads_idle_timeout=_THREAD_IDLE_SECONDS,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
        log_level=LogLevels.warning,  # what happens to requests, the application logs
    )
    server.serve(target_loader=partial(_load, os.getpid()))


def _load(parent: int, target: str) -> Any:
    """In a new worker: the application, after making sure that the worker ends with its parent."""
    die_with_parent(parent, signal.SIGKILL)
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)

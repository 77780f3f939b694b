"""What a server says when it cannot listen, and how its workers load what they serve."""

import gc
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from bookwell.cli import server
from bookwell.cli.server import Serving, serve_wsgi
from bookwell.simulators.running import run_simulators
from tests.infrastructure.servers import free_port


def as_worker(port: int) -> socket.socket:
    """A socket that listens beside others, as the server gives every worker one."""
    return _listening(port, socket.SO_REUSEADDR, socket.SO_REUSEPORT)


def as_another_program(port: int) -> socket.socket:
    """One that shares its port with nobody."""
    return _listening(port, socket.SO_REUSEADDR)


def _listening(port: int, *options: int) -> socket.socket:
    made = socket.socket()
    for option in options:
        made.setsockopt(socket.SOL_SOCKET, option, 1)
    made.bind(("127.0.0.1", port))
    made.listen()
    return made


def test_serve__the_port_is_taken__says_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SystemExit) as refused:
            serve_wsgi(Serving("nowhere:at_all", "127.0.0.1", port, stop_seconds=1), threads=1)

    assert str(refused.value) == f"Nothing can listen at 127.0.0.1, port {port}: Address already in use"


def test_serve__the_port_of_the_simulators_is_taken__says_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SystemExit) as refused:
            run_simulators(port=port)

    assert str(refused.value) == f"Nothing can listen at 127.0.0.1, port {port}: Address already in use"


@pytest.mark.parametrize("listening", [0, 2])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 -- as in a container
def test_serve__another_server_has_the_port__is_refused_with_workers_and_without(host: str, listening: int) -> None:
    port = free_port()
    with server._port_to_ourselves("127.0.0.1", port), ExitStack() as workers:  # noqa: SLF001 -- what a server holds
        for _ in range(listening):
            workers.enter_context(as_worker(port))

        with pytest.raises(SystemExit, match="Address already in use"):
            serve_wsgi(Serving("nowhere:at_all", host, port, stop_seconds=1), threads=1)

        with as_worker(port):  # a replaced one
            pass


@pytest.mark.parametrize("listen", [as_worker, as_another_program])
def test_serve__its_connections_of_before_are_in_time_wait__has_the_port_again(
    listen: Callable[[int], socket.socket],
) -> None:
    port = free_port()
    with listen(port) as former, socket.create_connection(("127.0.0.1", port)):
        former.accept()[0].close()

    with server._port_to_ourselves("127.0.0.1", port), as_worker(port):  # noqa: SLF001 -- what a server holds
        pass


def test_serve__the_address_is_of_another_machine__says_so_in_one_line() -> None:
    with pytest.raises(SystemExit, match=r"Nothing can listen at 192\.0\.2\.1, port \d+: Cannot assign"):
        serve_wsgi(Serving("nowhere:at_all", "192.0.2.1", free_port(), stop_seconds=1), threads=1)


def test_load__what_is_loaded__is_looked_through_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(server, "die_with_parent", lambda *_: None)
    monkeypatch.setattr(server, "watch_notice", lambda _: None)
    frozen = gc.get_freeze_count()

    try:
        load = server._load(os.getpid(), tmp_path / "notice", "json:loads")  # noqa: SLF001 -- the server's hook

        assert gc.get_freeze_count() > frozen
        assert load("[1]") == [1]
    finally:
        gc.unfreeze()


_TELLS_A_NEW_WORKER = """
import os, signal
from bookwell.cli import server

signal.signal(signal.SIGTERM, lambda *_: None)  # as the server's own process has it
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
server._have_workers_hear()
worker = os.fork()
if worker == 0:
    os._exit(7)
_, status = os.waitpid(worker, 0)
print(os.waitstatus_to_exitcode(status), len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
"""


def test_serve__a_worker_is_told_to_stop_the_moment_it_is_there__ends() -> None:
    command = [sys.executable, "-c", _TELLS_A_NEW_WORKER]
    told = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 -- our own program

    assert told.stdout.split() == [str(-signal.SIGTERM), "0"]

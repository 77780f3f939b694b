"""Throw-away servers end with whoever asked for them."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bookwell.cli.processes import spawn, stop
from tests.e2e.embedded import is_alive, wait_until
from tests.infrastructure import KINDS
from tests.infrastructure.servers import free_port, killable_server


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_servers__their_owner_ends__are_gone(tmp_path: Path, end: signal.Signals) -> None:
    output = tmp_path / "output.txt"
    with output.open("wb") as stream:
        owner = spawn([sys.executable, "-m", "tests.infrastructure", "--only", "redis"], env={}, output=stream)
    try:
        wait_until(lambda: "BOOKWELL_TEST_REDIS_URL" in output.read_text())
        servers = [int(pid) for pid in Path(f"/proc/{owner.pid}/task/{owner.pid}/children").read_text().split()]

        owner.send_signal(end)
        owner.wait(60)
        wait_until(lambda: not any(is_alive(pid) for pid in servers))

        assert len(servers) == 1
    finally:
        stop(owner)


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_killable_server__killed__comes_back_on_its_port(kind: str) -> None:
    with killable_server(kind) as server:
        server.start()
        server.kill()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", urlsplit(server.launch.url).port or 0), timeout=5)

        server.start()

        assert KINDS[kind].version(server.launch.url)


def test_spawn__the_child_ignores_the_request__is_killed_after_its_grace() -> None:
    stubborn = spawn(
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()",
        ],
        output=subprocess.PIPE,
    )
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    began = time.monotonic()

    stop(stubborn, grace_seconds=0.5)
    stubborn.stdout.close()

    assert stubborn.returncode == -signal.SIGKILL
    assert time.monotonic() - began >= 0.5


def test_free_port__not_in_use_yet__is_given_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    only = free_port()
    monkeypatch.setattr("tests.infrastructure.servers._PORTS", [only, *range(only + 1, only + 20)])

    others = {free_port() for _ in range(5)}

    assert only not in others
    assert len(others) == 5

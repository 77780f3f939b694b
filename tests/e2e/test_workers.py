"""`bookwell serve` with several workers."""

import os
import re
import signal
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

from bookwell.cli.processes import spawn, stop
from tests.e2e.embedded import wait_until
from tests.infrastructure.servers import free_port

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _get(url: str) -> str:
    with _OPENER.open(url, timeout=30) as response:
        return str(response.read().decode())


def _is_live(url: str) -> bool:
    try:
        return bool(_get(f"{url}/health/live"))
    except OSError:
        return False


def test_metrics__two_workers__are_told_together_whichever_answers(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BOOKWELL_", "PROM"))}
    command = [sys.executable, "-m", "bookwell.cli.main", "serve", "library", f"--port={port}", "--workers=2"]
    server = spawn(command, env=environment | {"BOOKWELL_DATA_DIR": str(tmp_path)})
    try:
        wait_until(lambda: _is_live(url))
        for _ in range(40):
            _get(f"{url}/.well-known/jwks.json")
        seen = {
            re.findall(
                r'_count\{method="GET",route="\.well-known/jwks\.json",status="200"\} (\d+)', _get(f"{url}/metrics")
            )[0]
            for _ in range(10)
        }
    finally:
        stop(server, grace_seconds=20)

    assert seen == {"40"}


def test_server__interrupted_and_told_to_stop_at_once__ends_every_time(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    for _ in range(4):  # each of the two may come at any moment of the other
        port = free_port()
        command = [sys.executable, "-m", "bookwell.cli.main", "serve", "library", f"--port={port}", "--workers=2"]
        server = spawn(command, env=environment | {"BOOKWELL_DATA_DIR": str(tmp_path)})
        wait_until(partial(_is_live, f"http://127.0.0.1:{port}"))

        server.send_signal(signal.SIGINT)
        server.send_signal(signal.SIGTERM)

        assert server.wait(60) == 0


def test_server__told_to_stop_while_its_workers_start__ends_at_once(tmp_path: Path) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    command = [sys.executable, "-m", "bookwell.cli.main", "serve", "library", f"--port={port}", "--workers=2"]
    server = spawn(command, env=environment | {"BOOKWELL_DATA_DIR": str(tmp_path), "BOOKWELL_STOP_SECONDS": "100"})
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    try:
        wait_until(lambda: len(children.read_text().split()) == 2)

        server.send_signal(signal.SIGINT)

        assert server.wait(60) == 0
    finally:
        stop(server)

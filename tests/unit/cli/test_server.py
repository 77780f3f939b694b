"""What a server says when it cannot listen, and how its workers load what they serve."""

import gc
import os
import socket
from pathlib import Path

import pytest

from bookwell.cli import server
from bookwell.cli.server import Serving, serve_wsgi
from tests.infrastructure.servers import free_port


def test_serve__the_port_is_taken__says_so_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SystemExit) as refused:
            serve_wsgi(Serving("nowhere:at_all", "127.0.0.1", port, stop_seconds=1), threads=1)

    assert str(refused.value) == f"Nothing can listen at 127.0.0.1, port {port}: Address already in use"


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

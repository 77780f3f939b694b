"""What a server says when it cannot listen."""

import socket

import pytest

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

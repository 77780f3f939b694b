"""The relay's way onto a broker that is not well."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from kombu.exceptions import OperationalError

from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.celery.app import make_app
from bookwell.kit.adapters.celery.publisher import CeleryPublisher

ENVELOPE = Envelope(
    event_id="a",
    source="library",
    queue="mail",
    type="thing.changed",
    version=1,
    aggregate="thing:1",
    aggregate_version=1,
    created_at=0,
    payload={},
)
# AMQP 0-9-1's greeting: connection.start, tune and open-ok, each as (class, method, arguments).
_START = struct.pack(">HHBBL", 10, 10, 0, 9, 0) + struct.pack(">L5sL5s", 5, b"PLAIN", 5, b"en_US")
_TUNE = struct.pack(">HHHLH", 10, 30, 10, 131072, 0)
_OPEN_OK = struct.pack(">HHB", 10, 41, 0)


class Greeter:
    """A server that greets as RabbitMQ does, and never says anything after that."""

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for each in [self._listener, *self._open]:
            each.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                connection.recv(8)
                connection.sendall(_frame(_START))
                connection.recv(4096)
                connection.sendall(_frame(_TUNE))
                connection.recv(4096)
                connection.sendall(_frame(_OPEN_OK))


def _frame(method: bytes) -> bytes:
    return struct.pack(">BHL", 1, 0, len(method)) + method + b"\xce"


@pytest.fixture
def greeter() -> Iterator[Greeter]:
    server = Greeter()
    yield server
    server.close()


def test_publish__the_broker_falls_silent__fails_after_one_try_and_connects_anew_next_time(greeter: Greeter) -> None:
    app = make_app(f"amqp://127.0.0.1:{greeter.port}//")
    app.conf.broker_transport_options["read_timeout"] = 1
    publisher = CeleryPublisher(app)

    for _ in range(2):
        with pytest.raises((OSError, OperationalError)):
            publisher.publish([ENVELOPE])

    assert greeter.connections == 2

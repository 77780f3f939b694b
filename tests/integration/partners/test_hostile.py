"""Partners whose answers are made to keep us busy: they are refused, and the others are told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio
import anyio.lowlevel
import pytest

from bookwell.partners.adapters.protocol import Availability
from bookwell.partners.configuration import parse_configuration
from bookwell.partners.gateway import Gateway
from bookwell.partners.settings import PartnersSettings
from tests.fake_partners import ISBN, FakeAdapter, in_world

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_EMPTY = b",".join([b"{}"] * 300_000)
_OF_OBJECTS = b'{"document":[{"id":"isbn:%s","item":[%s]}]}' % (ISBN.encode(), _EMPTY)
HOSTILE = {
    "objects": (_HEAD + b"Content-Length: %d\r\n\r\n" % len(_OF_OBJECTS) + _OF_OBJECTS, b""),
    "chunks": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 10_000),
    "chunk extensions": (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 60_000 + b"\r\n \r\n"),
    "announcements": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3000),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"a:b\r\n" * 10_000),
}
"""What a partner sends first, then as long as somebody reads."""


@contextmanager
def a_partner(first: bytes, for_ever: bytes) -> Iterator[str]:
    """The address of a server that sends this, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    threading.Thread(target=_send, args=(line, first, for_ever), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _send(line: socket.socket, first: bytes, for_ever: bytes) -> None:
    with line, suppress(OSError):
        line.recv(65_536)
        line.sendall(first)
        while for_ever:
            line.sendall(for_ever)


@pytest.mark.parametrize("kind", HOSTILE)
def test_availability__an_answer_that_would_keep_us_busy__is_refused_as_too_large(kind: str) -> None:
    with a_partner(*HOSTILE[kind]) as url:
        entries = parse_configuration(f'[partners.bad]\nprotocol = "daia"\nurl = "{url}"', environ={}, source="test")
        gateway = Gateway(PartnersSettings(partners_budget_ms=5000), entries)
        try:
            (told,) = gateway.availability_of_isbn(ISBN)
        finally:
            gateway.close()

    assert (told["state"], told["error"]) == ("unknown", "too_large")


class _Quick(FakeAdapter):
    """Says when it has answered."""

    def __init__(self) -> None:
        super().__init__()
        self.has_answered = anyio.Event()

    async def fetch_availability(self, isbn: str) -> Availability:
        answer = await super().fetch_availability(isbn)
        self.has_answered.set()
        return answer


class _StopsTheLoop(FakeAdapter):
    """Never gives the loop back, from the other's answer on until the reader was told."""

    def __init__(self, other: _Quick) -> None:
        super().__init__()
        self.is_told = threading.Event()
        self._other = other

    async def fetch_availability(self, isbn: str) -> Availability:
        await self._other.has_answered.wait()
        for _ in range(10):
            await anyio.lowlevel.checkpoint()  # the other's answer reaches whoever asked
        self.is_told.wait(30)
        return await super().fetch_availability(isbn)


def test_status__the_loop_stands_still__who_answered_before_is_told() -> None:
    quick = _Quick()
    slow = _StopsTheLoop(quick)
    with in_world({"quick": quick, "slow": slow}, partners_budget_ms=1000) as world:
        try:
            told = world.gateway.availability_of_isbn(ISBN)
        finally:
            slow.is_told.set()

    assert [(one["name"], one["state"], one.get("error")) for one in told] == [
        ("quick", "available", None),
        ("slow", "unknown", "timeout"),
    ]

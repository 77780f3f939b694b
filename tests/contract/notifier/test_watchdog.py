import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from bookwell.notifier.channels.watchdog import Watchdog


@contextmanager
def _an_address_that_never_answers() -> Iterator[Any]:
    """A listener that accepts nobody and whose line of those who wait is full."""
    with ExitStack() as stack:
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            line = stack.enter_context(socket.socket())
            line.setblocking(False)
            line.connect_ex(hole.getsockname())
        yield hole.getsockname()


def test_connect__the_first_address_never_answers__there_is_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with _an_address_that_never_answers() as hole, socket.create_server(("127.0.0.1", 0)) as server:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        found = [(*kind, hole), (*kind, server.getsockname())]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        with Watchdog(2) as watchdog, closing(watchdog.connect("mail.example", 25)) as line:
            reached, is_too_late = line.getpeername(), watchdog.is_over

        assert (reached, is_too_late) == (server.getsockname(), False)

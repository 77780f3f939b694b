"""HTTP servers in a thread of the test that take webhooks and SMS, well or badly."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Received", "Receiver", "Reply", "receiver"]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, after a while; `dribble` sends a header now and then for so many seconds, and no answer."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0
    dribble_seconds: float = 0
    hangs_up: bool = False
    body: bytes = b""


@dataclass(slots=True)
class Receiver:
    """A server's port, what it got, and what it answers: the next of `replies`, then `usual`."""

    port: int = 0
    replies: list[Reply] = field(default_factory=list)
    usual: Reply = field(default_factory=Reply)
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.origin}/hooks?of=bookwell"

    @property
    def origin(self) -> str:
        """The same without a path."""
        return f"http://127.0.0.1:{self.port}"


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Whoever gives up a slow server hangs up."""


def _handler_of(state: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.received.append(Received(self.command, self.path, dict(self.headers), body))
            reply = state.replies.pop(0) if state.replies else state.usual
            time.sleep(reply.after_seconds)
            if reply.hangs_up or reply.dribble_seconds:
                _dribble(self.wfile, reply.dribble_seconds)
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_PUT = do_GET = _answer  # noqa: N815 -- the server's names

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler


def _dribble(line: Any, seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    if seconds:
        line.write(b"HTTP/1.1 204 No Content\r\n")
    with suppress(OSError):
        while time.monotonic() < ends_at:
            line.write(b"X-Slow: 1\r\n")
            time.sleep(0.05)


@contextmanager
def receiver(*replies: Reply, usual: Reply | None = None) -> Iterator[Receiver]:
    """A server on loopback."""
    state = Receiver(replies=list(replies), usual=usual or Reply())

    server = _Server(("127.0.0.1", 0), _handler_of(state))
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

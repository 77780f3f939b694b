"""A line to a server that falls silent: connections stay, what is sent is taken, and nothing ever comes back."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

__all__ = ["Line", "line_to"]


@dataclass(slots=True)
class Line:
    """Carries every connection to a server; `url` is the server's, by way of this line."""

    url: str
    server: tuple[str, int]
    listener: socket.socket
    silenced: threading.Event = field(default_factory=threading.Event)

    def fall_silent(self) -> None:
        """Carry nothing any more on the connections that there are; those made from now on are as good as new."""
        former, self.silenced = self.silenced, threading.Event()
        former.set()

    def carry(self) -> None:
        """Take connections, until the listener is closed."""
        with suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                server = socket.create_connection(self.server)
                for source, target in ((caller, server), (server, caller)):
                    threading.Thread(target=_pour, args=(source, target, self.silenced), daemon=True).start()


@contextmanager
def line_to(url: str) -> Iterator[Line]:
    """A line to the server of a URL, which must be on TCP."""
    parts = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    own = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{listener.getsockname()[1]}")
    line = Line(own.geturl(), (parts.hostname or "127.0.0.1", parts.port or 0), listener)
    thread = threading.Thread(target=line.carry, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _pour(source: socket.socket, target: socket.socket, silenced: threading.Event) -> None:
    with suppress(OSError), source:
        while piece := source.recv(65_536):
            if not silenced.is_set():
                target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

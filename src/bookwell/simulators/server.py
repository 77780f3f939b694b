"""A small HTTP/1.1 server of our own: an answer may be dripped, cut off, endless or not HTTP at all.

A server for production would not deliver such answers, and a thread for each request that hangs would be dear.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

from bookwell.simulators.http import Answer, Delivery, Request

__all__ = ["Application", "Server", "serve"]

Application = Callable[[Request], Awaitable[Answer]]

_MAX_BODY_BYTES = 1_048_576
_MAX_HEAD_BYTES = 65_536
_DRIP_SECONDS = 0.25
_ENDLESS_BYTES = 67_108_864
_CHUNK = b" " * 65_536
_STOP_SECONDS = 5


class Server:
    """Serves one application on one address, in the running event loop."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which is a free one for 0."""
        self._server = await asyncio.start_server(self._accept, host, port, limit=_MAX_HEAD_BYTES)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def stop(self) -> None:
        """Stop listening and end every conversation."""
        if self._server is not None:
            self._server.close()
        for conversation in list(self._conversations):
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- asyncio starts a task for each connection
        self._conversations.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the other side went away, or does not speak HTTP
        except asyncio.CancelledError:
            pass  # stopping; a task that ends cancelled would be logged as an error
        finally:
            self._conversations.discard(task)
            writer.transport.abort() if sys.exc_info()[0] else writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await _read(reader, writer)) is not None:
            answer = await self._application(request)
            if not await _deliver(answer, reader, writer) or request.headers.get("connection", "").lower() == "close":
                break


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request, or None when there is none.

    Raises:
        ValueError: if it is not understood.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _MAX_BODY_BYTES or "transfer-encoding" in headers:
        raise ValueError("body")
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(length)
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body)


async def _deliver(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Send an answer as it shall be sent; whether the connection may be used again."""
    match answer.delivery:
        case Delivery.WHOLE:
            writer.write(_head(answer, len(answer.body)) + answer.body)
            await writer.drain()
            return True
        case Delivery.NEVER:
            await reader.read(1)  # until the other side goes away
        case Delivery.CUT:
            writer.transport.abort()
        case Delivery.NOT_HTTP:
            writer.write(b"\x00\xff SSH-2.0-nobody-home\r\n\r\n")
        case Delivery.TRUNCATED:
            writer.write(_head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])
        case Delivery.DRIP:
            await _drip(answer, writer)
        case Delivery.ENDLESS:
            await _flood(answer, writer)
    with suppress(OSError):
        await writer.drain()
    return False


async def _drip(answer: Answer, writer: asyncio.StreamWriter) -> None:
    writer.write(_head(answer, len(answer.body)))
    for byte in answer.body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(_DRIP_SECONDS)


async def _flood(answer: Answer, writer: asyncio.StreamWriter) -> None:
    """The answer after very many blanks, which JSON allows, of a length that is not told before."""
    writer.write(_head(answer, None))
    for _ in range(_ENDLESS_BYTES // len(_CHUNK)):
        writer.write(_CHUNK)
        await writer.drain()
    writer.write(answer.body)


def _head(answer: Answer, length: int | None) -> bytes:
    headers = dict(answer.headers)
    if answer.status != HTTPStatus.NO_CONTENT:
        headers |= {"Connection": "close"} if length is None else {"Content-Length": str(length)}
    phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def serve(application: Application, *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    asyncio.run(_serve(application, host, port))


async def _serve(application: Application, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = Server(application)
    await server.start(host, port)
    await stop.wait()
    await asyncio.wait_for(server.stop(), _STOP_SECONDS)

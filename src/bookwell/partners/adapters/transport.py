"""HTTP/1.1 in which every byte of an answer counts: status lines that announce another, headers, the frames of chunks.

Whoever reads the body sees nothing of these, and there may be any number of them. What arrives is handed on a little at
a time, so that what one partner sends keeps the others' answers waiting for moments.
"""

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

from bookwell.partners.adapters.protocol import Failure, PartnerFailed
from bookwell.partners.adapters.wire import MAX_ANSWER_BYTES

__all__ = ["BoundedTransport"]

_MAX_HEAD_BYTES = 65_536
_MAX_FRAME_BYTES = 65_536
_READ_BYTES = 16_384


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """The client's own transport over connections that count. An answer that is too large is PartnerFailed."""

    def __init__(self, *, tls: ssl.SSLContext, connections: int, idle_seconds: float) -> None:
        super().__init__(verify=tls)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=idle_seconds,
            retries=1,
            network_backend=_CountingBackend(),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, its body still to be read.

        Raises:
            PartnerFailed: "too_large", here or while the body is read.
        """
        response = await super().handle_async_request(request)
        stream = response.extensions.get("network_stream")
        if isinstance(stream, _CountedStream):
            stream.allow(MAX_ANSWER_BYTES + _MAX_FRAME_BYTES)
        return response


class _CountedStream(httpcore2.AsyncNetworkStream):
    """A connection that takes so much after each request: a head first, more once that is understood."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._room = _MAX_HEAD_BYTES

    def allow(self, size: int) -> None:
        """From here on, take so many bytes."""
        self._room = size

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 -- the interface's
        received = await self._stream.read(min(max_bytes, _READ_BYTES), timeout)
        self._room -= len(received)
        if self._room < 0:
            raise PartnerFailed(Failure.TOO_LARGE)
        return received

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- the same
        self._room = _MAX_HEAD_BYTES
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- the same
    ) -> httpcore2.AsyncNetworkStream:
        return _CountedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _CountingBackend(httpcore2.AsyncNetworkBackend):
    """Connections over TCP."""

    def __init__(self) -> None:
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- the interface's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        stream = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return _CountedStream(stream)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)

"""What holds around every request of a FastAPI service: ids, limits of size, headers, access log, metrics.

It is plain ASGI and stands outermost: whatever fails inside is answered here.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bookwell.kit import metrics
from bookwell.kit.adapters.fastapi.problems import failure_response, refusal_response
from bookwell.kit.hosts import host_check
from bookwell.kit.http_errors import BAD_REQUEST, LENGTH_REQUIRED, TOO_LARGE, HttpRefusal
from bookwell.kit.request_context import set_request_id, set_traceparent
from bookwell.kit.response_headers import API_POLICY, HSTS, VARY
from bookwell.kit.tracing import accept_request_id, accept_traceparent

__all__ = ["OPERATOR_PATHS", "Edge"]

OPERATOR_PATHS = ("/health", "/metrics")
"""What probes ask for by address instead of by name, and too often to log."""

_USUAL_HEADERS = {
    b"content-security-policy": API_POLICY.encode(),
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"x-robots-tag": b"noindex",
}
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")

_log = structlog.get_logger()


class Edge:
    """An ASGI middleware; `hosts` are the names by which the service may be asked, but for what operators ask.

    Behind `proxies` proxies that are trusted, the caller's address and scheme are those that the outermost one saw.
    """

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, hosts: Sequence[str], proxies: int = 0) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._is_known_host = host_check(hosts)
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's hook."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        exchange = _Exchange(scope, send, headers)
        if self._proxies:
            _believe_proxies(scope, headers, self._proxies)
        try:
            self._check(scope, headers)
            await self._app(scope, receive, exchange.send)
        except HttpRefusal as refusal:
            await exchange.answer(refusal_response(scope, refusal), receive)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the caller gets an answer
            await exchange.answer(failure_response(scope, error), receive)
        exchange.report(perf_counter() - began)

    def _check(self, scope: Scope, headers: dict[bytes, str]) -> None:
        if not self._is_known_host(headers.get(b"host", "")) and not scope["path"].startswith(OPERATOR_PATHS):
            raise HttpRefusal(BAD_REQUEST)
        length = headers.get(b"content-length")
        if length is None and b"transfer-encoding" in headers:
            raise HttpRefusal(LENGTH_REQUIRED)
        if length is not None and int(length) > self._max_body_bytes:
            raise HttpRefusal(TOO_LARGE)


class _Exchange:
    """One request and what is sent back: knows the status, and adds the headers of every answer."""

    def __init__(self, scope: Scope, send: Send, headers: dict[bytes, str]) -> None:
        self._scope = scope
        self._send = send
        self._method: str = scope["method"]
        self._status = 0
        self._request_id = accept_request_id(headers.get(b"x-request-id"))
        self._traceparent = accept_traceparent(headers.get(b"traceparent"))
        set_request_id(self._request_id)
        set_traceparent(self._traceparent)
        scope.setdefault("state", {})
        if self._method == "HEAD":
            scope["method"] = "GET"

    async def send(self, message: Message) -> None:
        """Send a part of the answer; of one to HEAD, nothing but the headers."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._complete(message)
        elif self._method == "HEAD" and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    async def answer(self, response: Any, receive: Receive) -> None:
        """Send a whole answer, unless another one has begun."""
        if not self._status:
            await response(self._scope, receive, self.send)

    def report(self, seconds: float) -> None:
        """Count the request and log it, without its query: that may hold a guest's token."""
        route = getattr(self._scope.get("route"), "path", "unmatched")
        metrics.observe_request(self._method, route, self._status, seconds)
        if not self._scope["path"].startswith(OPERATOR_PATHS):
            milliseconds = round(seconds * 1000, 2)
            _log.info("http.request", method=self._method, route=route, status=self._status, milliseconds=milliseconds)

    def _complete(self, message: Message) -> None:
        headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
        present = {name.lower() for name, _ in headers}
        headers += [pair for pair in _USUAL_HEADERS.items() if pair[0] not in present]
        headers += [
            _NO_SNIFFING,
            (b"vary", VARY.encode()),
            (b"x-request-id", self._request_id.encode()),
            (b"traceparent", self._traceparent.encode()),
        ]
        limits: dict[str, str] = self._scope["state"].get("rate_limit_headers", {})
        headers += [(name.lower().encode(), value.encode()) for name, value in limits.items()]
        if self._scope["scheme"] == "https":
            headers.append((b"strict-transport-security", HSTS.encode()))
        message["headers"] = headers


def _believe_proxies(scope: Scope, headers: dict[bytes, str], count: int) -> None:
    chain = [part.strip() for part in headers.get(b"x-forwarded-for", "").split(",") if part.strip()]
    if chain:
        scope["client"] = (chain[-min(count, len(chain))], 0)
    schemes = [part.strip() for part in headers.get(b"x-forwarded-proto", "").split(",") if part.strip()]
    if schemes:
        scope["scheme"] = schemes[-min(count, len(schemes))]

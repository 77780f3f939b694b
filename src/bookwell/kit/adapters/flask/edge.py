"""What holds around every request of a Flask service: ids, headers, access log, metrics."""

from collections.abc import Sequence
from time import perf_counter

import structlog
from flask import Flask, Response, g, request
from werkzeug.sansio.utils import host_is_trusted

from bookwell.kit import metrics
from bookwell.kit.http_errors import BAD_REQUEST, NOT_ACCEPTABLE, HttpRefusal
from bookwell.kit.negotiation import accepts_json
from bookwell.kit.request_context import request_id, set_request_id, set_traceparent, traceparent
from bookwell.kit.tracing import accept_request_id, accept_traceparent

__all__ = ["OPERATOR_PATHS", "install_edge", "json_only"]

OPERATOR_PATHS = ("/health", "/metrics")
"""What probes ask for too often to log."""

_API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_HSTS = "max-age=31536000; includeSubDomains"

_log = structlog.get_logger()


def install_edge(app: Flask, *, max_body_bytes: int, hosts: Sequence[str]) -> None:
    """Put the edge around `app`, which may be asked by the names `hosts` alone, but for what operators ask.

    Pages set their own `Content-Security-Policy`; everything else gets the API's.
    """

    def check_host() -> None:
        host = request.headers.get("Host", "")
        if not host_is_trusted(host, hosts) and not request.path.startswith(OPERATOR_PATHS):
            raise HttpRefusal(BAD_REQUEST)

    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.before_request(_begin)
    app.before_request(check_host)
    app.after_request(_end)


def json_only() -> None:
    """For `before_request` of what answers JSON: 406 to who does not take it."""
    if not accepts_json(request.headers.get("Accept", "")):
        raise HttpRefusal(NOT_ACCEPTABLE)


def _begin() -> None:
    g.began = perf_counter()
    set_request_id(accept_request_id(request.headers.get("X-Request-ID")))
    set_traceparent(accept_traceparent(request.headers.get("traceparent")))


def _end(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-ID"] = request_id()
    headers["traceparent"] = traceparent()
    headers.setdefault("Content-Security-Policy", _API_POLICY)
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Cache-Control", "no-store")
    headers["Vary"] = "Accept, Authorization"
    if request.is_secure:
        headers["Strict-Transport-Security"] = _HSTS
    seconds = perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule is not None else "unmatched"
    metrics.observe_request(request.method, route, response.status_code, seconds)
    if not request.path.startswith(OPERATOR_PATHS):
        _log.info(
            "http.request",
            method=request.method,
            route=route,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 2),
        )
    return response

"""What holds around every request of a Flask service: ids, headers, access log, metrics."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import structlog
from flask import Flask, Response, g, request

from bookwell.kit import metrics
from bookwell.kit.hosts import host_check
from bookwell.kit.http_errors import BAD_REQUEST, NOT_ACCEPTABLE, HttpRefusal
from bookwell.kit.negotiation import accepts_json
from bookwell.kit.request_context import request_id, set_request_id, set_traceparent, traceparent
from bookwell.kit.response_headers import API_POLICY, HSTS, VARY
from bookwell.kit.tracing import accept_request_id, accept_traceparent

__all__ = ["OPERATOR_PATHS", "install_edge", "json_only"]

OPERATOR_PATHS = ("/health", "/metrics")
"""What probes ask for too often to log."""

_USUAL_HEADERS = (
    ("content-security-policy", ("Content-Security-Policy", API_POLICY)),
    ("referrer-policy", ("Referrer-Policy", "no-referrer")),
    ("cache-control", ("Cache-Control", "no-store")),
)
_FIXED_HEADERS = (("X-Content-Type-Options", "nosniff"), ("Vary", VARY))
_HSTS = ("Strict-Transport-Security", HSTS)

_log = structlog.get_logger()


def install_edge(app: Flask, *, max_body_bytes: int, hosts: Sequence[str]) -> None:
    """Put the edge around `app`, which may be asked by the names `hosts` alone, but for what operators ask.

    Pages set their own `Content-Security-Policy`; everything else gets the API's.
    """
    is_known = host_check(hosts)

    def check_host() -> None:
        if not is_known(request.environ.get("HTTP_HOST", "")) and not request.path.startswith(OPERATOR_PATHS):
            raise HttpRefusal(BAD_REQUEST)

    app.config["MAX_CONTENT_LENGTH"] = max_body_bytes
    app.wsgi_app = _with_headers(app.wsgi_app)  # type: ignore[method-assign]  # Flask's way
    app.before_request(_begin)
    app.before_request(check_host)
    app.after_request(_end)


def json_only() -> None:
    """For `before_request` of what answers JSON: 406 to who does not take it."""
    if not accepts_json(request.headers.get("Accept", "")):
        raise HttpRefusal(NOT_ACCEPTABLE)


def _with_headers(application: Any) -> Any:
    """The application with the headers of every answer, added to the finished list: Flask's own way costs ten times."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            present = {name.lower() for name, _ in headers}
            headers += [pair for name, pair in _USUAL_HEADERS if name not in present]
            headers += [*_FIXED_HEADERS, ("X-Request-ID", request_id()), ("traceparent", traceparent())]
            if environ["wsgi.url_scheme"] == "https":
                headers.append(_HSTS)
            return start_response(status, headers, *failure)

        return application(environ, start)

    return wrapped


def _begin() -> None:
    g.began = perf_counter()
    set_request_id(accept_request_id(request.headers.get("X-Request-ID")))
    set_traceparent(accept_traceparent(request.headers.get("traceparent")))


def _end(response: Response) -> Response:
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

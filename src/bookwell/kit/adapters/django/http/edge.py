"""The one middleware around every request: ids, limits of size, problem documents, headers, access log, metrics.

It stands in the hot path: constant tables, no second middleware, nothing per request that one dictionary cannot hold.
Service-specific rewriting of paths comes as `settings.HTTP_CANONICAL_PATH`, the dotted name of a function.
"""

from collections.abc import Callable
from time import perf_counter

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE
from bookwell.kit import metrics
from bookwell.kit.adapters.django.http.problems import kind_response
from bookwell.kit.http_errors import BAD_REQUEST, LENGTH_REQUIRED, TOO_LARGE, HttpErrorKind, kind_of_status
from bookwell.kit.request_context import set_request_id, set_traceparent
from bookwell.kit.response_headers import API_POLICY, HSTS, VARY
from bookwell.kit.tracing import accept_request_id, accept_traceparent

__all__ = ["OPERATOR_PATHS", "PAGE_PREFIXES", "EdgeMiddleware"]

PAGE_PREFIXES = ("/admin/", "/accounts/", "/messages/")
"""Where people with browsers go: errors there stay HTML."""

OPERATOR_PATHS = ("/health", "/metrics")
"""What probes ask for by address instead of by name, and too often to log."""

_PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_KEPT_ON_PROBLEMS = ("Allow", "Retry-After", "WWW-Authenticate")
_KNOWN_HOSTS_LIMIT = 1000

_log = structlog.get_logger()

View = Callable[[HttpRequest], HttpResponseBase]


class EdgeMiddleware:
    """First in `MIDDLEWARE`; everything that leaves the service passes through it."""

    def __init__(self, get_response: View) -> None:
        self._get_response = get_response
        self._max_body_bytes: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._canonical_path: Callable[[str], str] = import_string(settings.HTTP_CANONICAL_PATH)
        self._known_hosts: set[str] = set()
        self._fixed: dict[str, ResolverMatch] = {}
        self._answer_directly: View = convert_exception_to_response(_answer_directly)  # type: ignore[assignment]  # it is no coroutine

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Django's hook."""
        began = perf_counter()
        meta = request.META
        request_id = accept_request_id(meta.get("HTTP_X_REQUEST_ID"))
        traceparent = accept_traceparent(meta.get("HTTP_TRACEPARENT"))
        set_request_id(request_id)
        set_traceparent(traceparent)
        method = request.method
        if method == "HEAD":
            request.method = "GET"
        request.path_info = self._canonical_path(request.path_info)
        refusal = self._refusal(request)
        response = kind_response(request, refusal) if refusal else self._answer(request)
        if response.status_code >= 400:
            response = _as_problem(request, response)
        response.headers["X-Request-ID"] = request_id
        response.headers["traceparent"] = traceparent
        if method == "HEAD":
            _drop_body(response)
        _set_constant_headers(request, response)
        _report(request, response, str(method), perf_counter() - began)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        """From the view that its path names, through the other middlewares and the resolver only where that matters.

        It does not where the path is fixed, has been asked for before, and its view has said `needs_no_page`.
        """
        path = request.path_info
        match = self._fixed.get(path)
        if match is not None:
            request.resolver_match = match
            return self._answer_directly(request)
        response = self._get_response(request)
        match = request.resolver_match
        if match is not None and getattr(match.func, "needs_no_page", False) and path == f"/{match.route}":
            self._fixed[path] = match
        return response

    def _refusal(self, request: HttpRequest) -> HttpErrorKind | None:
        length = request.META.get("CONTENT_LENGTH")
        if length and int(length) > self._max_body_bytes:
            return TOO_LARGE
        if not length and "HTTP_TRANSFER_ENCODING" in request.META:
            return LENGTH_REQUIRED  # Django would take the body for an empty one
        host = request.META.get("HTTP_HOST", "")
        if host in self._known_hosts or request.path_info.startswith(OPERATOR_PATHS):
            return None
        try:
            request.get_host()
        except DisallowedHost:
            return BAD_REQUEST
        if len(self._known_hosts) < _KNOWN_HOSTS_LIMIT:
            self._known_hosts.add(host)
        return None


def _answer_directly(request: HttpRequest) -> HttpResponseBase:
    response: HttpResponseBase = request.resolver_match.func(request)  # type: ignore[union-attr]  # set by `_answer`
    return response


def _as_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Whatever failed without a problem document (Django's own 400, 403, 404, 405, 500) gets one.

    An answer that says `has_own_shape` follows another standard.
    """
    if getattr(response, "has_own_shape", False):
        return response
    if response.headers.get("Content-Type") == PROBLEM_MEDIA_TYPE or request.path_info.startswith(PAGE_PREFIXES):
        return response
    kept = {name: response.headers[name] for name in _KEPT_ON_PROBLEMS if name in response.headers}
    return kind_response(request, kind_of_status(response.status_code), kept)


def _drop_body(response: HttpResponseBase) -> None:
    """An answer to HEAD: the length that GET would have, and nothing of it."""
    if isinstance(response, StreamingHttpResponse):
        response.streaming_content = ()
    elif isinstance(response, HttpResponse):
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""


def _set_constant_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    headers = response.headers
    is_page = headers.get("Content-Type", "").startswith("text/html")
    if is_page:  # which may be stricter
        headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        headers.setdefault("Referrer-Policy", "same-origin")
    else:
        headers["Content-Security-Policy"] = API_POLICY
        headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    if "Cache-Control" not in headers:
        headers["Cache-Control"] = "no-store"
    if "Vary" in headers:
        patch_vary_headers(response, ("Accept", "Authorization"))
    else:
        headers["Vary"] = VARY
    if request.is_secure():
        headers["Strict-Transport-Security"] = HSTS
    rate_limit = getattr(request, "rate_limit_headers", None)
    if rate_limit is not None:
        for name, value in rate_limit.items():
            headers[name] = value


def _report(request: HttpRequest, response: HttpResponseBase, method: str, seconds: float) -> None:
    match = request.resolver_match
    route = match.route if match is not None else "unmatched"
    status = response.status_code
    metrics.observe_request(method, route, status, seconds)
    if not request.path_info.startswith(OPERATOR_PATHS):
        _log.info("http.request", method=method, route=route, status=status, milliseconds=round(seconds * 1000, 2))

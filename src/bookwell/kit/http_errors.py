"""What HTTP itself refuses, before or beside any domain rule: each kind with its status and stable code."""

from dataclasses import dataclass

from bookwell.contracts.problems import FieldProblem, Problem
from bookwell.kit.problems import http_problem

__all__ = [
    "AUTH_REQUIRED",
    "BAD_CREDENTIALS",
    "BAD_REQUEST",
    "FORBIDDEN",
    "INTERNAL_ERROR",
    "INVALID",
    "KINDS",
    "LENGTH_REQUIRED",
    "LOCKED_OUT",
    "METHOD_NOT_ALLOWED",
    "NOT_ACCEPTABLE",
    "NOT_FOUND",
    "NOT_READY",
    "REFRESH_INVALID",
    "SIGNATURE_INVALID",
    "TOO_LARGE",
    "TOO_MANY_REQUESTS",
    "UNREADABLE",
    "UNSUPPORTED_MEDIA_TYPE",
    "HttpErrorKind",
    "HttpRefusal",
    "kind_of_status",
    "problem_of_kind",
]


@dataclass(frozen=True, slots=True)
class HttpErrorKind:
    """One way in which a request fails as HTTP; `meaning` explains it in the catalogue of codes."""

    status: int
    code: str
    meaning: str


BAD_REQUEST = HttpErrorKind(400, "http.bad_request", "The request line, host or headers cannot be served.")
UNREADABLE = HttpErrorKind(400, "request.unreadable", "The body is not JSON in UTF-8.")
AUTH_REQUIRED = HttpErrorKind(401, "auth.required", "The operation needs a valid bearer token.")
FORBIDDEN = HttpErrorKind(403, "http.forbidden", "The request is refused.")
NOT_FOUND = HttpErrorKind(404, "http.not_found", "There is nothing at this path.")
METHOD_NOT_ALLOWED = HttpErrorKind(405, "http.method_not_allowed", "`Allow` lists the methods of this path.")
NOT_ACCEPTABLE = HttpErrorKind(406, "http.not_acceptable", "The answer is JSON, which `Accept` excludes.")
LENGTH_REQUIRED = HttpErrorKind(411, "http.length_required", "A body needs a `Content-Length`.")
TOO_LARGE = HttpErrorKind(413, "http.too_large", "The body is larger than the service reads.")
UNSUPPORTED_MEDIA_TYPE = HttpErrorKind(415, "http.unsupported_media_type", "The body must be `application/json`.")
INVALID = HttpErrorKind(422, "request.invalid", "The request breaks its schema; `errors` lists the fields.")
TOO_MANY_REQUESTS = HttpErrorKind(429, "http.too_many_requests", "The rate limit is used up; see `Retry-After`.")
INTERNAL_ERROR = HttpErrorKind(500, "http.internal_error", "The service failed; `trace_id` finds it in its logs.")
NOT_READY = HttpErrorKind(503, "http.unavailable", "The service cannot answer now; see `Retry-After`.")
BAD_CREDENTIALS = HttpErrorKind(401, "auth.bad_credentials", "The username or the password is wrong.")
REFRESH_INVALID = HttpErrorKind(401, "auth.refresh_invalid", "The refresh token is unknown, used up or ended.")
SIGNATURE_INVALID = HttpErrorKind(
    401, "webhook.signature_invalid", "The webhook's signature is wrong, missing or too old."
)
LOCKED_OUT = HttpErrorKind(429, "auth.locked_out", "Too many log-ins have failed; see `Retry-After`.")

KINDS = (
    BAD_REQUEST,
    UNREADABLE,
    AUTH_REQUIRED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    LENGTH_REQUIRED,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID,
    TOO_MANY_REQUESTS,
    INTERNAL_ERROR,
    NOT_READY,
    BAD_CREDENTIALS,
    REFRESH_INVALID,
    SIGNATURE_INVALID,
    LOCKED_OUT,
)
_BY_STATUS = {kind.status: kind for kind in reversed(KINDS)}


class HttpRefusal(Exception):
    """A request refused as HTTP; carries what its problem document and headers need."""

    def __init__(
        self,
        kind: HttpErrorKind,
        detail: str = "",
        *,
        errors: tuple[FieldProblem, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def kind_of_status(status: int) -> HttpErrorKind:
    """The kind that stands for a bare status; any other 4xx or 5xx gets `http.<status>`."""
    return _BY_STATUS.get(status) or HttpErrorKind(status, f"http.{status}", "")


def problem_of_kind(
    kind: HttpErrorKind, *, instance: str, trace_id: str, detail: str = "", errors: tuple[FieldProblem, ...] = ()
) -> Problem:
    """The problem document of a kind."""
    return http_problem(
        kind.status,
        code=kind.code,
        instance=instance,
        trace_id=trace_id,
        detail=detail or kind.meaning,
        errors=errors,
    )

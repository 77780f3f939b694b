"""Domain errors as RFC 9457 problem documents: one table from category to HTTP status."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from pydantic_core import to_json

from bookwell.contracts.problems import PROBLEM_TYPE_BASE, FieldProblem, Problem
from bookwell.kit.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, Unavailable

__all__ = ["http_problem", "problem_of", "render_problem", "status_of"]

_STATUS: dict[type[DomainError], int] = {
    NotFound: 404,
    Conflict: 409,
    Forbidden: 403,
    Invalid: 422,
    Unavailable: 503,
}
# RFC 9110's names, which Python 3.13 has and earlier ones have not: a title is the same everywhere.
_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}


def status_of(error: DomainError | type[DomainError]) -> int:
    """The HTTP status of an error's category."""
    kind = error if isinstance(error, type) else type(error)
    return next(status for category, status in _STATUS.items() if issubclass(kind, category))


def problem_of(error: DomainError, *, instance: str, trace_id: str) -> Problem:
    """The problem document of a domain error; `instance` is the request's path."""
    return Problem(
        type=PROBLEM_TYPE_BASE + error.code,
        title=error.title,
        status=status_of(error),
        detail=error.detail,
        instance=instance,
        code=error.code,
        trace_id=trace_id,
        retryable=error.retryable,
        errors=list(error.errors),
    )


def http_problem(
    status: int,
    *,
    code: str,
    instance: str,
    trace_id: str,
    detail: str = "",
    errors: tuple[FieldProblem, ...] = (),
) -> Problem:
    """A problem that HTTP itself raises (405, 415, 500 …) and no domain rule."""
    title = _RENAMED.get(status) or HTTPStatus(status).phrase
    return Problem(
        type=PROBLEM_TYPE_BASE + code,
        title=title,
        status=status,
        detail=detail or title,
        instance=instance,
        code=code,
        trace_id=trace_id,
        retryable=status in (429, 503),
        errors=list(errors),
    )


def render_problem(problem: Problem, members: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    """The document as JSON, with extension `members`; a field problem has either a pointer or a parameter."""
    if not members:
        return problem.model_dump_json(exclude_none=True).encode()
    return to_json({**problem.model_dump(exclude_none=True), **members})

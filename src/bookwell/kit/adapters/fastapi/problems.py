"""Every error of a FastAPI service as a problem document, its framework's included."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Scope

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, FieldProblem, Problem
from bookwell.kit.errors import DomainError
from bookwell.kit.http_errors import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INVALID,
    NOT_FOUND,
    HttpRefusal,
    kind_of_status,
    problem_of_kind,
)
from bookwell.kit.problems import problem_of, render_problem
from bookwell.kit.request_context import request_id
from bookwell.kit.strict_json import pointer_of

__all__ = [
    "Render",
    "domain_response",
    "failure_response",
    "field_of_error",
    "install_problems",
    "instance_of",
    "refusal_response",
]

Render = Callable[[Problem, DomainError], bytes]
"""How a service writes the problem documents of domain errors, with extension members of its own."""

_log = structlog.get_logger()


def install_problems(app: FastAPI, *, render: Render = lambda problem, _error: render_problem(problem)) -> None:
    """Let `app` answer every error with a problem document; `render` writes those of domain errors."""

    async def on_domain_error(request: Request, error: Any) -> Response:
        return domain_response(request.scope, error, render=render)

    app.add_exception_handler(DomainError, on_domain_error)
    app.add_exception_handler(HttpRefusal, _on_refusal)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


def domain_response(scope: Scope, error: DomainError, *, render: Render) -> Response:
    """The response to what the domain refuses."""
    seconds = getattr(error, "retry_after", None)
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    problem = problem_of(error, instance=instance_of(scope), trace_id=request_id())
    return _response(problem, headers, render(problem, error))


def refusal_response(scope: Scope, refusal: HttpRefusal) -> Response:
    """The response to what HTTP refuses."""
    problem = problem_of_kind(
        refusal.kind,
        instance=instance_of(scope),
        trace_id=request_id(),
        detail=refusal.detail,
        errors=refusal.errors,
    )
    return _response(problem, refusal.headers, render_problem(problem))


def failure_response(scope: Scope, error: Exception) -> Response:
    """The response to whatever was not foreseen: in the log with its cause, to the caller without."""
    _log.error("http.failed", exc_info=error)
    return refusal_response(scope, HttpRefusal(INTERNAL_ERROR))


def field_of_error(item: Mapping[str, Any], *, parameter: str | None = None) -> FieldProblem:
    """One wrong field: a `parameter` of the query, or the place in the body that pydantic names."""
    code, detail = item["type"], item["msg"].removeprefix("Value error, ")
    if parameter is not None:
        return FieldProblem(code=code, detail=detail, parameter=parameter)
    return FieldProblem(code=code, detail=detail, pointer=pointer_of(item["loc"]))


def instance_of(scope: Scope) -> str:
    """The path as the caller sent it, as a URI reference."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1") or "/"


def _response(problem: Problem, headers: Mapping[str, str], body: bytes) -> Response:
    return Response(body, status_code=problem.status, headers=dict(headers), media_type=PROBLEM_MEDIA_TYPE)


async def _on_refusal(request: Request, refusal: Any) -> Response:
    return refusal_response(request.scope, refusal)


async def _on_http_exception(request: Request, error: Any) -> Response:
    return refusal_response(request.scope, HttpRefusal(kind_of_status(error.status_code), headers=error.headers))


async def _on_validation_error(request: Request, error: Any) -> Response:
    """What FastAPI itself validates. What is wrong in a path names nothing."""
    found = error.errors()
    if any(item["loc"][0] == "path" for item in found):
        return refusal_response(request.scope, HttpRefusal(NOT_FOUND))
    fields = tuple(_field(item) for item in found)
    return refusal_response(request.scope, HttpRefusal(INVALID, errors=fields))


async def _on_disconnect(request: Request, _error: Any) -> Response:
    """Nobody reads this answer."""
    return refusal_response(request.scope, HttpRefusal(BAD_REQUEST))


def _field(item: Any) -> FieldProblem:
    where, *place = item["loc"]
    if where == "body":
        return field_of_error({**item, "loc": tuple(place)})
    return field_of_error(item, parameter=str(place[0]) if place else str(where))

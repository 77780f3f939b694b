"""Every error of a Flask service as a problem document, its framework's included."""

from typing import Any

import structlog
from flask import Flask, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, FieldProblem, Problem
from bookwell.kit.errors import DomainError
from bookwell.kit.http_errors import INTERNAL_ERROR, INVALID, HttpRefusal, kind_of_status, problem_of_kind
from bookwell.kit.problems import problem_of, render_problem
from bookwell.kit.request_context import request_id

__all__ = ["install_problems", "invalid_request", "problem_response"]

_log = structlog.get_logger()


def install_problems(app: Flask) -> None:
    """Let `app` answer every error with a problem document."""
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(HttpRefusal, _refusal)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failure)


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The response that carries a problem."""
    return Response(
        render_problem(problem),
        status=problem.status,
        headers={"Content-Type": PROBLEM_MEDIA_TYPE, "Cache-Control": "no-store"} | (headers or {}),
    )


def invalid_request(error: ValidationError) -> Response:
    """flask-openapi's hook for parameters and bodies that break their schema."""
    is_body = request.method in ("POST", "PUT", "PATCH")
    fields = tuple(_field(item, is_body=is_body) for item in error.errors(include_url=False, include_input=False))
    return _refusal(HttpRefusal(INVALID, errors=fields))


def _field(item: Any, *, is_body: bool) -> FieldProblem:
    place = [str(step) for step in item["loc"]]
    if is_body:
        return FieldProblem(code=item["type"], detail=item["msg"], pointer="#/" + "/".join(place))
    return FieldProblem(code=item["type"], detail=item["msg"], parameter=place[0] if place else "query")


def _domain(error: DomainError) -> Response:
    seconds = getattr(error, "retry_after", None)
    headers = {} if seconds is None else {"Retry-After": str(seconds)}
    return problem_response(problem_of(error, instance=_instance(), trace_id=request_id()), headers)


def _refusal(refusal: HttpRefusal) -> Response:
    problem = problem_of_kind(
        refusal.kind, instance=_instance(), trace_id=request_id(), detail=refusal.detail, errors=refusal.errors
    )
    return problem_response(problem, refusal.headers)


def _http(error: HTTPException) -> Response:
    if isinstance(error.response, Response):
        return error.response  # flask-openapi aborts with ours
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return _refusal(HttpRefusal(kind_of_status(error.code or INTERNAL_ERROR.status), headers=headers))


def _failure(error: Exception) -> Response:
    """Whatever was not foreseen: in the log with its cause, to the caller without."""
    _log.error("http.failed", exc_info=error)
    return _refusal(HttpRefusal(INTERNAL_ERROR))


def _instance() -> str:
    """The path as a URI reference."""
    return request.environ.get("REQUEST_URI", request.path).partition("?")[0] or "/"

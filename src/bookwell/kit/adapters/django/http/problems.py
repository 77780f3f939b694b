"""Problem documents as Django responses."""

import sys
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, Problem
from bookwell.kit.adapters.django.cache_failures import CACHE_ERRORS, CacheUnavailable
from bookwell.kit.errors import DomainError
from bookwell.kit.http_errors import INTERNAL_ERROR, HttpErrorKind, HttpRefusal, problem_of_kind
from bookwell.kit.problems import problem_of, render_problem
from bookwell.kit.request_context import request_id

__all__ = [
    "domain_problem",
    "instance_of",
    "kind_response",
    "problem_response",
    "refusal_response",
    "retry_headers",
    "server_error",
]


def instance_of(request: HttpRequest) -> str:
    """The path as the caller sent it, as a URI reference."""
    return escape_uri_path(request.path)


def domain_problem(request: HttpRequest, error: DomainError) -> Problem:
    """The problem document of a domain error."""
    return problem_of(error, instance=instance_of(request), trace_id=request_id())


def retry_headers(error: DomainError) -> dict[str, str]:
    """`Retry-After` for errors that say when to come back."""
    seconds = getattr(error, "retry_after", None)
    return {} if seconds is None else {"Retry-After": str(seconds)}


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> HttpResponse:
    """The response that carries a problem."""
    return HttpResponse(
        render_problem(problem),
        status=problem.status,
        headers={"Content-Type": PROBLEM_MEDIA_TYPE, "Cache-Control": "no-store"} | (headers or {}),
    )


def refusal_response(request: HttpRequest, refusal: HttpRefusal) -> HttpResponse:
    """The response to a request that HTTP refuses."""
    problem = problem_of_kind(
        refusal.kind,
        instance=instance_of(request),
        trace_id=request_id(),
        detail=refusal.detail,
        errors=refusal.errors,
    )
    return problem_response(problem, refusal.headers)


def kind_response(request: HttpRequest, kind: HttpErrorKind, headers: dict[str, str] | None = None) -> HttpResponse:
    """The response of a kind that needs no more words."""
    return refusal_response(request, HttpRefusal(kind, headers=headers))


def server_error(request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
    """Django's `handler500`: says nothing about the cause, but for a cache that may answer again."""
    if isinstance(sys.exception(), CACHE_ERRORS):
        error = CacheUnavailable()
        return problem_response(domain_problem(request, error), retry_headers(error))
    return kind_response(request, INTERNAL_ERROR)

"""How an operation answers: JSON written once by pydantic-core, and writes through the transaction runner."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from pydantic_core import to_json

from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE
from bookwell.kit.adapters.django.http.problems import domain_problem
from bookwell.kit.adapters.django.transactions import run_idempotent
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, fingerprint_of, parse_key
from bookwell.kit.problems import render_problem

__all__ = ["json_answer", "respond_in_transaction", "response_of"]

_JSON = "application/json"


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """An answer of anything that pydantic can write as JSON."""
    return Answer(status, to_json(content), headers or {})


def response_of(answer: Answer) -> HttpResponse:
    """Django's response of an answer."""
    headers = {"Content-Type": _JSON, "Cache-Control": "no-store"} | answer.headers
    return HttpResponse(answer.body, status=answer.status, headers=headers)


def respond_in_transaction(request: HttpRequest, work: Callable[[], Answer]) -> HttpResponse:
    """Run `work` (a service and its rendering) in one transaction, once per Idempotency-Key of a POST.

    Raises:
        DomainError: what the service refuses, when no key was sent.
    """
    return response_of(run_idempotent(work, key=_key_of(request), render=lambda error: _refusal(request, error)))


def _key_of(request: HttpRequest) -> IdempotencyKey | None:
    header = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if header is None or request.method != "POST":
        return None
    caller = getattr(getattr(request, "auth", None), "user_id", "-")
    scope = f"{caller} {request.method} {request.path_info}"
    # Keyed: a body may hold a password, whose bare SHA-256 would be quick to guess from a stolen table.
    fingerprint = fingerprint_of(settings.SECRET_KEY, request.META.get("QUERY_STRING", ""), request.body)
    return IdempotencyKey(scope, parse_key(header), fingerprint)


def _refusal(request: HttpRequest, error: DomainError) -> Answer:
    problem = domain_problem(request, error)
    return Answer(problem.status, render_problem(problem), {"Content-Type": PROBLEM_MEDIA_TYPE})

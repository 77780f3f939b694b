"""How operations answer: JSON written once by pydantic-core, with prices in the form that people know."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import Request, Response
from pydantic_core import to_json
from sqlalchemy import Connection

from bookwell.contracts.bookings import FreeTable
from bookwell.contracts.problems import PROBLEM_MEDIA_TYPE, Problem
from bookwell.kit.adapters.fastapi.problems import instance_of
from bookwell.kit.conditional import etag_of, is_known
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, fingerprint_of, parse_key
from bookwell.kit.problems import problem_of, render_problem
from bookwell.kit.request_context import request_id
from bookwell.tables.bookings.errors import SlotTaken
from bookwell.tables.site import Site

__all__ = [
    "NOT_MODIFIED",
    "REFUSAL_MEMBERS",
    "json_answer",
    "refusal_answer",
    "render_refusal",
    "respond_in_transaction",
    "response_if_new",
    "response_of",
]

_JSON = "application/json"
NOT_MODIFIED: Mapping[int | str, dict[str, Any]] = MappingProxyType(
    {304: {"description": "Nothing has changed since the answer whose `ETag` was sent as `If-None-Match`"}}
)
"""What operations with `response_if_new` declare."""
REFUSAL_MEMBERS: Mapping[str, Any] = MappingProxyType(
    {
        "alternatives": {
            "type": "array",
            "description": "With `booking.slot_taken`: tables that were free at that time, the smallest fit first",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "name": {"type": "string"},
                    "table_type": {"type": "string"},
                    "seats": {"type": "integer"},
                    "price": {"type": "number"},
                },
                "required": ["id", "name", "table_type", "seats", "price"],
            },
        }
    }
)
"""What problems of conflicts tell beside their usual members, as schemas."""

# A member's name, which no text can hold unescaped; only whole hundredths follow it.
_PRICE = re.compile(rb'"price":(\d+)(?=[,}])')


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """An answer of anything that pydantic can write; `price`, in hundredths, becomes a number with two decimals."""
    return Answer(status, _PRICE.sub(_with_decimals, to_json(content)), headers or {})


def response_of(answer: Answer) -> Response:
    """FastAPI's response of an answer."""
    return Response(answer.body, status_code=answer.status, headers={"Content-Type": _JSON} | answer.headers)


def response_if_new(request: Request, answer: Answer, *, cache_control: str) -> Response:
    """The same with the answer's tag; 304 for who names that tag and has it already."""
    headers = {"ETag": etag_of(answer.body), "Cache-Control": cache_control}
    if is_known(request.headers.get("If-None-Match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return response_of(Answer(answer.status, answer.body, answer.headers | headers))


def respond_in_transaction(
    request: Request, site: Site, work: Callable[[Connection], Answer], *, caller: str = ""
) -> Response:
    """Run `work` (a service and its rendering) in one transaction, once per Idempotency-Key of a POST.

    `caller` keeps the keys of one caller apart from another's; strangers share the operation's.

    Raises:
        DomainError: what the service refuses, when no key was sent.
    """
    key = _key_of(request, caller)
    write = site.database.write
    return response_of(site.idempotency.run(write, work, key=key, render=partial(refusal_answer, request)))


def render_refusal(problem: Problem, error: DomainError) -> bytes:
    """The problem document of a domain error; one of a table that is taken tells which are free instead."""
    if not isinstance(error, SlotTaken):
        return render_problem(problem)
    alternatives = [_free_table(free) for free in error.alternatives]
    return _PRICE.sub(_with_decimals, render_problem(problem, {"alternatives": alternatives}))


def refusal_answer(request: Request, error: DomainError) -> Answer:
    """The answer to what the domain refuses, where it is to be kept."""
    problem = problem_of(error, instance=instance_of(request.scope), trace_id=request_id())
    return Answer(problem.status, render_refusal(problem, error), {"Content-Type": PROBLEM_MEDIA_TYPE})


def _key_of(request: Request, caller: str) -> IdempotencyKey | None:
    header = request.headers.get("Idempotency-Key")
    if header is None or request.method != "POST":
        return None
    scope = f"{caller or '-'} {request.method} {request.scope['route'].path}"
    body: bytes = getattr(request.state, "raw_body", b"")
    return IdempotencyKey(scope, parse_key(header), fingerprint_of(request.scope["query_string"], body))


def _free_table(free: FreeTable) -> dict[str, Any]:
    return {
        "id": free.table_id,
        "name": free.name,
        "table_type": free.table_type,
        "seats": free.seats,
        "price": free.price,
    }


def _with_decimals(found: re.Match[bytes]) -> bytes:
    whole, hundredths = divmod(int(found[1]), 100)
    return b'"price":%d.%02d' % (whole, hundredths)

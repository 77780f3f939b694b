"""How operations answer: JSON written once by pydantic-core, with prices in the form that people know."""

import re
from typing import Any

from fastapi import Response
from pydantic_core import to_json

from bookwell.contracts.bookings import FreeTable
from bookwell.contracts.problems import Problem
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer
from bookwell.kit.problems import render_problem
from bookwell.tables.bookings.errors import SlotTaken

__all__ = ["json_answer", "render_refusal", "response_of"]

_JSON = "application/json"
# A member's name, which no text can hold unescaped; only whole hundredths follow it.
_PRICE = re.compile(rb'"price":(\d+)(?=[,}])')


def json_answer(content: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    """An answer of anything that pydantic can write; `price`, in hundredths, becomes a number with two decimals."""
    return Answer(status, _PRICE.sub(_with_decimals, to_json(content)), headers or {})


def response_of(answer: Answer) -> Response:
    """FastAPI's response of an answer."""
    return Response(answer.body, status_code=answer.status, headers={"Content-Type": _JSON} | answer.headers)


def render_refusal(problem: Problem, error: DomainError) -> bytes:
    """The problem document of a domain error; one of a table that is taken tells which are free instead."""
    if not isinstance(error, SlotTaken):
        return render_problem(problem)
    alternatives = [_free_table(free) for free in error.alternatives]
    return _PRICE.sub(_with_decimals, render_problem(problem, {"alternatives": alternatives}))


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

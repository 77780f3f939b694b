"""Cursor pages of an operation."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field

from bookwell.kit.idempotency import Answer
from bookwell.kit.pages import Key, PageRequest
from bookwell.kit.request_types import StrictBody
from bookwell.tables.api.answers import json_answer

__all__ = ["PageOut", "PageQuery", "page_answer", "page_request"]

T = TypeVar("T")


class PageQuery(StrictBody):
    """Which page of a list, and how long."""

    limit: (
        Annotated[int, Field(ge=1, lt=2**63, description="50 when left out; more than 200 is read as 200")] | None
    ) = None
    cursor: Annotated[str, Field(max_length=2000)] | None = None


class PageOut(BaseModel):
    """What every list has beside its items."""

    next: str | None = Field(description="Path of the next page")
    previous: str | None = Field(description="Path of the page before")


def page_request(request: Request, query: PageQuery, *, shape: tuple[type[int] | type[str], ...]) -> PageRequest:
    """What the caller asked of a list; `shape` are the types of its key.

    Raises:
        CursorInvalid
    """
    known = {field.alias or name for name, field in type(query).model_fields.items()}
    params = [(name, value) for name, value in request.query_params.items() if name in known]
    path: str = request.scope["route"].path
    return PageRequest.read(path, params, limit=query.limit, cursor=query.cursor, shape=shape)


def page_answer(page: PageRequest, rows: Sequence[T], *, key: Callable[[T], Key], shape: Callable[[T], Any]) -> Answer:
    """The answer with a page of rows, each in its public shape."""
    found = page.page(rows, key=key)
    items = [shape(row) for row in found.items]
    return json_answer({"items": items, "next": found.next, "previous": found.previous})

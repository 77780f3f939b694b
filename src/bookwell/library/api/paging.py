"""Cursor pages of an operation."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from django.http import HttpRequest, HttpResponse
from ninja import Schema
from pydantic import Field

from bookwell.kit.pages import Key, PageRequest
from bookwell.library.api.answers import json_answer, response_of

__all__ = ["PageQuery", "page_request", "respond_page"]

T = TypeVar("T")


class PageQuery(Schema):
    """Which page of a list, and how long."""

    limit: (
        Annotated[int, Field(ge=1, lt=2**63, description="50 when left out; more than 200 is read as 200")] | None
    ) = None
    cursor: Annotated[str, Field(max_length=2000)] | None = None


def page_request(
    request: HttpRequest, query: PageQuery, *, shape: tuple[type[int] | type[str], ...] = (int,)
) -> PageRequest:
    """What the caller asked of a list; `shape` are the types of its key.

    Raises:
        CursorInvalid
    """
    params = [(name, str(value)) for name, value in request.GET.items()]
    return PageRequest.read(request.path, params, limit=query.limit, cursor=query.cursor, shape=shape)


def respond_page(
    page: PageRequest, rows: Sequence[T], *, key: Callable[[T], Key], shape: Callable[[T], Any] = lambda row: row
) -> HttpResponse:
    """The answer with a page of rows, each in its public shape."""
    found = page.page(rows, key=key)
    items = [shape(row) for row in found.items]
    return response_of(json_answer({"items": items, "next": found.next, "previous": found.previous}))

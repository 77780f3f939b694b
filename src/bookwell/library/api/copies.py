"""Copies of books."""

from typing import Annotated, Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from pydantic import Field

from bookwell.kit import clock
from bookwell.kit.idempotency import Answer
from bookwell.library.api.answers import json_answer, respond_in_transaction, response_of
from bookwell.library.api.auth import actor_of, librarian
from bookwell.library.api.types import Barcode, Body, Id, Name, PageOf, PartialBody
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.models import Copy
from bookwell.library.circulation.rules import CopyStatus
from bookwell.library.circulation.schemas import CopyOut

__all__ = ["router"]

router = Router(tags=["copies"])

Condition = Annotated[str, Field(max_length=100)]


class AddCopy(Body):
    """A new item, and the branch (code or name) that owns it."""

    barcode: Barcode
    branch: Name
    condition: Condition = ""


class ChangeCopy(PartialBody):
    """Only the fields that are sent change."""

    branch: Name = ""
    condition: Condition = ""
    status: CopyStatus = CopyStatus.IN_SERVICE


class CopiesOut(PageOf):
    """All copies of a book."""

    items: list[CopyOut]


@router.get("/books/{int:book_id}/copies/", auth=librarian, response=CopiesOut)
def list_copies(request: HttpRequest, book_id: Id) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """All copies of a book, by barcode."""
    items = [_shape(copy) for copy in queries.list_copies(book_id)]
    return response_of(json_answer({"items": items, "next": None, "previous": None}))


@router.post("/books/{int:book_id}/copies/", auth=librarian, response={201: CopyOut})
def add_copy(request: HttpRequest, book_id: Id, body: AddCopy) -> HttpResponse:
    """Add a copy; whoever waits first gets it."""
    actor, now = actor_of(request), clock.now()

    def work() -> Answer:
        services.add_copy(book_id=book_id, actor=actor, now=now, **body.model_dump())
        content = _shape(queries.get_copy(body.barcode))
        return json_answer(content, status=201, headers={"Location": f"/api/copies/{quote(body.barcode, safe='')}/"})

    return respond_in_transaction(request, work)


@router.get("/copies/{barcode}/", auth=librarian, response=CopyOut)
def get_copy(request: HttpRequest, barcode: Path[Barcode]) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """One copy."""
    return response_of(json_answer(_shape(queries.get_copy(barcode))))


@router.patch("/copies/{barcode}/", auth=librarian, response=CopyOut)
def change_copy(request: HttpRequest, barcode: Path[Barcode], body: ChangeCopy) -> HttpResponse:
    """Change a copy: its condition, its branch, whether it is in service."""
    actor, now = actor_of(request), clock.now()
    changes = {name: str(value) for name, value in body.model_dump(exclude_unset=True).items()}

    def work() -> Answer:
        services.change_copy(barcode=barcode, changes=changes, actor=actor, now=now)
        return json_answer(_shape(queries.get_copy(barcode)))

    return respond_in_transaction(request, work)


@router.delete("/copies/{barcode}/", auth=librarian, response={204: None})
def remove_copy(request: HttpRequest, barcode: Path[Barcode]) -> HttpResponse:
    """Remove a copy that nobody holds."""
    actor, now = actor_of(request), clock.now()

    def work() -> Answer:
        services.remove_copy(barcode=barcode, actor=actor, now=now)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


def _shape(copy: Copy) -> dict[str, Any]:
    return {
        "barcode": copy.barcode,
        "book_id": copy.book_id,
        "branch": copy.branch.code,
        "location": copy.location.code,
        "condition": copy.condition,
        "status": copy.status,
        "version": copy.version,
    }

"""Where a book can be had: at our branches, and at partner libraries."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from bookwell.kit import clock
from bookwell.library.api.answers import json_answer, response_of
from bookwell.library.api.auth import reader_or_looker
from bookwell.library.api.elsewhere import ask_partners
from bookwell.library.api.types import Id
from bookwell.library.catalog.queries import get_book
from bookwell.library.circulation.queries.availability import list_branch_availability
from bookwell.library.circulation.queries.books import get_queue_length
from bookwell.library.circulation.schemas import AvailabilityOut

__all__ = ["router"]

router = Router(tags=["books"])


@router.get("/{int:book_id}/availability/", auth=reader_or_looker, response=AvailabilityOut)
def get_availability(request: HttpRequest, book_id: Id) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """Own branches as they are now, and what partner libraries say, within a time budget.

    Each has its time. A partner without an answer is `unknown`, or as it was when it last answered, with `error`.
    """
    book = get_book(book_id)
    partners = ask_partners(book_id, book.isbn)
    now = clock.now()
    content = {
        "book_id": book_id,
        "queue_length": get_queue_length(book_id),
        "branches": list_branch_availability(book_id, now=now),
        "partners": partners,
    }
    return response_of(json_answer(content))

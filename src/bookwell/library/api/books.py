"""Books: an open catalogue, kept by librarians."""

import unicodedata
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import BeforeValidator, Field
from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.conditional import etag_of, is_known
from bookwell.kit.idempotency import Answer
from bookwell.library.accounts.queries import Caller
from bookwell.library.api.answers import respond_in_transaction, response_of
from bookwell.library.api.auth import anyone, caller_of, librarian
from bookwell.library.api.paging import PageQuery, page_request
from bookwell.library.api.types import Body, Id, PageOf, PartialBody
from bookwell.library.catalog.languages import language_code
from bookwell.library.catalog.rules import BookData
from bookwell.library.catalog.schemas import BookDetailOut, BookOut
from bookwell.library.catalog.services import change_book as change
from bookwell.library.circulation.queries import get_reader_view_of_book
from bookwell.library.circulation.queries.books import (
    BookFilter,
    book_json,
    get_book_row,
    key_of,
    list_book_rows,
    ordering_of,
)
from bookwell.library.circulation.services.books import add_book, remove_book

__all__ = ["router"]

router = Router(tags=["books"])


def _composed(text: object) -> object:
    """In the form in which it is kept, which may be longer."""
    return unicodedata.normalize("NFC", text) if isinstance(text, str) else text


_Composed = BeforeValidator(_composed)  # behind the lengths, which else are told as those of a list
Title = Annotated[str, Field(min_length=1, max_length=500), _Composed]
Line = Annotated[str, Field(max_length=200), _Composed]
Isbn = Annotated[str, Field(max_length=32, description="10 or 13 digits, with or without hyphens")]
Year = Annotated[int, Field(ge=-4000, le=9999)]
Language = Annotated[str, Field(max_length=35, description="ISO 639 code or language tag")]
Lines = Annotated[list[Line], Field(max_length=200)]
Text = Annotated[str, Field(max_length=20_000), _Composed]
Ordering = Literal["id", "newest", "title", "-title", "year", "-year", "popularity", "relevance"]

_LIST_HEADERS = {"Cache-Control": "public, max-age=0, must-revalidate", "Vary": "Accept, Authorization"}


class BookBody(Body):
    """A whole book; what is left out is empty."""

    title: Title
    authors: Lines
    isbn: Isbn | None = None
    publisher: Line = ""
    year: Year | None = None
    language: Language = ""
    subjects: Lines = []
    description: Text = ""


class ChangeBook(PartialBody):
    """Only the fields that are sent change; null empties `isbn` and `year`."""

    title: Title = "unchanged"
    authors: Lines = []
    isbn: Isbn | None = None
    publisher: Line = ""
    year: Year | None = None
    language: Language = ""
    subjects: Lines = []
    description: Text = ""


class BooksOut(PageOf):
    """A page of books."""

    items: list[BookOut]


class Filters(PageQuery):
    """What to search for and to narrow the list to."""

    q: Annotated[str, Field(max_length=300, description="Words of title, author, subject, or an ISBN")] = ""
    author: Annotated[str, Field(max_length=200)] = ""
    language: Language = ""
    year: Annotated[int, Field(gt=-(2**15), lt=2**15)] | None = None
    branch: Annotated[str, Field(max_length=20, description="Code of a branch that owns a copy")] = ""
    available: Annotated[bool, Field(description="With a free copy (at the branch, if one is given)")] | None = None
    ordering: Literal[Ordering, ""] = ""


@router.get("/", auth=anyone, response=BooksOut)
def list_books(request: HttpRequest, filters: Query[Filters]) -> HttpResponse:
    """Search and browse. Every word must match, the last may be a beginning; case and accents do not matter.

    A search is in the order of relevance, other lists by id, unless `ordering` says otherwise. A search shows up to
    about 1 000 matches: narrow it by more words or filters.
    """
    chosen = BookFilter(
        q=filters.q,
        author=filters.author,
        language=language_code(filters.language),
        year=filters.year,
        branch=filters.branch,
        available=filters.available,
    )
    ordering = ordering_of(filters.ordering, chosen)
    request_of_page = page_request(request, filters, shape=ordering.shape)
    rows = list_book_rows(chosen, ordering, request_of_page.position, limit=request_of_page.limit)
    page = request_of_page.page(rows, key=key_of)
    links = f'"next":{_json(page.next)},"previous":{_json(page.previous)}'
    content = f'{{"items":[{",".join(map(book_json, page.items))}],{links}}}'
    return response_of(Answer(200, content.encode(), _LIST_HEADERS))


@router.post("/", auth=librarian, response={201: BookOut})
def create_book(request: HttpRequest, body: BookBody) -> HttpResponse:
    """Add a book to the catalogue."""
    actor_id, now = caller_of(request).user_id, clock.now()

    def work() -> Answer:
        book = add_book(data=BookData(**body.model_dump()), actor_id=actor_id, now=now)
        return _answer(book.pk, status=201, headers={"Location": f"/api/books/{book.pk}/"})

    return respond_in_transaction(request, work)


@router.get("/{int:book_id}/", auth=anyone, response=BookDetailOut)
def get_book(request: HttpRequest, book_id: Id) -> HttpResponse:
    """One book; with a token also what the caller can do with it, and why not."""
    content, scope = book_json(get_book_row(book_id)), "public"
    caller = caller_of(request)
    if isinstance(caller, Caller):
        view = get_reader_view_of_book(
            reader_id=caller.user_id,
            book_id=book_id,
            home_branch_id=caller.home_branch_id,
            now=clock.now(),
        )
        content, scope = f'{content[:-1]},"for_you":{_json(view)}}}', "private"
    body = content.encode()
    etag = etag_of(body)
    headers = {"ETag": etag, "Cache-Control": f"{scope}, no-cache", "Vary": "Accept, Authorization"}
    if is_known(request.headers.get("If-None-Match", ""), etag):
        return response_of(Answer(304, b"", headers))
    return response_of(Answer(200, body, headers))


@router.put("/{int:book_id}/", auth=librarian, response=BookOut)
def replace_book(request: HttpRequest, book_id: Id, body: BookBody) -> HttpResponse:
    """Describe a book anew."""
    return _change(request, book_id, body.model_dump())


@router.patch("/{int:book_id}/", auth=librarian, response=BookOut)
def change_book(request: HttpRequest, book_id: Id, body: ChangeBook) -> HttpResponse:
    """Change some fields of a book."""
    return _change(request, book_id, body.model_dump(exclude_unset=True))


@router.delete("/{int:book_id}/", auth=librarian, response={204: None})
def delete_book(request: HttpRequest, book_id: Id) -> HttpResponse:
    """Withdraw a book that has neither copies nor open reservations."""
    actor_id, now = caller_of(request).user_id, clock.now()

    def work() -> Answer:
        remove_book(book_id=book_id, actor_id=actor_id, now=now)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


def _change(request: HttpRequest, book_id: int, changes: dict[str, Any]) -> HttpResponse:
    actor_id, now = caller_of(request).user_id, clock.now()

    def work() -> Answer:
        change(book_id=book_id, changes=changes, actor_id=actor_id, now=now)
        return _answer(book_id)

    return respond_in_transaction(request, work)


def _answer(book_id: int, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, book_json(get_book_row(book_id)).encode(), headers or {})


def _json(value: Any) -> str:
    return to_json(value).decode()

"""This library as a DAIA 1.0 server: what other libraries and their systems ask about our copies.

An id is a book's URI here (`…/api/books/17/`), or its ISBN as `isbn:…`, `urn:isbn:…` or bare. Unknown ids are left out
of the answer. The shape of errors is DAIA's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from bookwell.kit import clock
from bookwell.kit.adapters.django.http.problems import kind_response
from bookwell.kit.adapters.django.http.throttle import CallerThrottle
from bookwell.kit.http_errors import TOO_MANY_REQUESTS
from bookwell.kit.strict_json import MAX_INTEGER
from bookwell.library.catalog.errors import IsbnInvalid
from bookwell.library.catalog.isbn import isbn13_of
from bookwell.library.catalog.models import Book
from bookwell.library.catalog.queries import list_books_named
from bookwell.library.circulation.queries.availability import CopyState, Outlook, get_outlooks, list_copy_states

__all__ = ["urlpatterns"]

_VERSION = "1.0.0"
_AT_ONCE = 50
_LONGEST_ID = 200
_SERVICES = ("presentation", "loan")
_BOOK_PATH = "/api/books/"
_ISBN_PREFIXES = ("urn:isbn:", "isbn:")
_HEADERS = {"X-DAIA-Version": _VERSION, "Access-Control-Allow-Origin": "*"}

_throttle = CallerThrottle(limit=settings.RATE_LIMIT_PER_MINUTE)


@dataclass(frozen=True, slots=True)
class _Name:
    """What an id means: a book's number, or an ISBN-13."""

    requested: str
    book_id: int | None = None
    isbn: str | None = None


def availability(request: HttpRequest) -> HttpResponse:
    """`/daia?id=A|B&format=json`."""
    if request.method not in ("GET", "HEAD"):
        return _error(405, "Only GET and HEAD", {"Allow": "GET, HEAD"})
    if not _throttle.allow_request(request):
        seconds = getattr(request, "rate_limit_reset", 60)
        return kind_response(request, TOO_MANY_REQUESTS, {"Retry-After": str(seconds)})
    if request.GET.get("format") != "json":
        return _error(422, "format must be json")
    ids = list(dict.fromkeys(filter(None, request.GET.get("id", "").split("|"))))
    if not ids:
        return _error(422, "id is missing")
    answered, left = ids[:_AT_ONCE], ids[_AT_ONCE:]
    content = {
        "document": _documents([name for name in map(_name_of, answered) if name is not None]),
        "institution": {"id": settings.PUBLIC_URL, "href": settings.PUBLIC_URL, "content": "Bookwell"},
        "timestamp": clock.now().isoformat(timespec="seconds"),
    }
    link = {"Link": f'</daia?id={quote("|".join(left), safe="")}&format=json>; rel="next"'} if left else {}
    return JsonResponse(content, headers=_HEADERS | link)


def _name_of(requested: str) -> _Name | None:
    if len(requested) > _LONGEST_ID:
        return None
    number = requested.removeprefix(settings.PUBLIC_URL + _BOOK_PATH)
    if number != requested:
        number = number.removesuffix("/")
        is_id = number.isascii() and number.isdecimal() and int(number) <= MAX_INTEGER
        return _Name(requested, book_id=int(number)) if is_id else None
    prefix = next((prefix for prefix in _ISBN_PREFIXES if requested.lower().startswith(prefix)), "")
    try:
        return _Name(requested, isbn=isbn13_of(requested[len(prefix) :]))
    except IsbnInvalid:
        return None


def _documents(names: Sequence[_Name]) -> list[dict[str, Any]]:
    books = list_books_named(
        ids=[name.book_id for name in names if name.book_id], isbns=[name.isbn for name in names if name.isbn]
    )
    by_id, by_isbn = {book.pk: book for book in books}, {book.isbn: book for book in books}
    copies, outlooks = defaultdict(list), get_outlooks([book.pk for book in books], now=clock.now())
    for copy in list_copy_states([book.pk for book in books]):
        copies[copy.book_id].append(copy)
    found = [(name, by_id.get(name.book_id or 0) or by_isbn.get(name.isbn or "")) for name in names]
    return [_document(name, book, copies[book.pk], outlooks) for name, book in found if book is not None]


def _document(name: _Name, book: Book, copies: Sequence[CopyState], outlooks: Mapping[int, Outlook]) -> dict[str, Any]:
    uri = f"{settings.PUBLIC_URL}{_BOOK_PATH}{book.pk}/"
    items = [_item(copy, outlooks[book.pk]) for copy in copies]
    return {"id": uri, "requested": name.requested, "href": uri, "about": book.title} | (
        {"item": items} if items else {}
    )


def _item(copy: CopyState, outlook: Outlook) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": f"{settings.PUBLIC_URL}/api/copies/{quote(copy.barcode, safe='')}/",
        "label": copy.barcode,
        "storage": {"content": copy.branch},
    }
    if copy.is_free:
        return item | {"available": [{"service": service} for service in _SERVICES]}
    when: dict[str, Any] = {}
    if copy.is_in_service:
        expected = outlook.expected_on
        when = {"expected": expected.isoformat() if expected else "unknown", "queue": outlook.queue_length}
    return item | {"unavailable": [{"service": service} | when for service in _SERVICES]}


def _error(status: int, description: str, headers: dict[str, str] | None = None) -> HttpResponse:
    content = {"error": "invalid_request", "code": status, "error_description": description}
    answer = JsonResponse(content, status=status, headers=_HEADERS | (headers or {}))
    answer.has_own_shape = True  # type: ignore[attr-defined]  # the edge leaves it as it is
    return answer


urlpatterns = [path("daia", availability)]

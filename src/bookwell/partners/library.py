"""The library service, as this one calls it: a book's ISBN, and placing a reservation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import anyio
import httpx2
import structlog

from bookwell.kit.errors import Unavailable
from bookwell.kit.request_context import request_id, traceparent
from bookwell.kit.service_keys import SERVICE_HEADER
from bookwell.partners.availability.answers import NO_SUCH_THING, Question
from bookwell.partners.availability.calls import CallFailed
from bookwell.partners.isbn import IsbnInvalid, isbn13_of

__all__ = ["UNREACHABLE", "Library", "LibraryUnreachable", "PassedOn"]

UNREACHABLE = "library_unreachable"

_LONGEST_ANSWER = 1_048_576
_PASSED_HEADERS = ("Content-Type", "Location", "Retry-After", "WWW-Authenticate", "RateLimit", "RateLimit-Policy")
_ABOUT_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")
_JSON_TYPES = ("application/json", "application/problem+json")
_OWN_FAILURES = (502, 504)  # a proxy's before the library: whether it was reached is not known

_log = structlog.get_logger()


class LibraryUnreachable(Unavailable):
    """The library service does not answer, or not in time."""

    code = "library.unreachable"
    title = "The library cannot be reached"
    retry_after = 2


@dataclass(frozen=True, slots=True)
class PassedOn:
    """The library's answer as the caller gets it."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Library:
    """One library service at `url`, which calls itself `public_url` and knows this one by `service_key`.

    Its methods run in the event loop.
    """

    def __init__(self, url: str, client: httpx2.AsyncClient, *, public_url: str, service_key: str) -> None:
        self._url = url
        self._public_url = public_url
        self._service_key = service_key
        self._client = client

    def isbn_question(self, book_id: int, *, seconds: float) -> Question:
        """Asks for a book's ISBN: `{"isbn": "978…" or None}`; a book that is not there is `not_found`."""

        async def ask(left: float) -> Mapping[str, Any]:
            return {"isbn": await self._fetch_isbn(book_id, left)}

        return Question(f"book:{book_id}", ask, seconds)

    async def _fetch_isbn(self, book_id: int, seconds: float) -> str | None:
        try:
            headers = {SERVICE_HEADER: self._service_key}
            answer = await self._send("GET", f"/api/books/{book_id}/", headers=headers, body=None, seconds=seconds)
        except LibraryUnreachable as error:
            raise CallFailed(UNREACHABLE) from error
        if answer.status_code == httpx2.codes.NOT_FOUND:
            raise CallFailed(NO_SUCH_THING)
        try:
            answer.raise_for_status()
            isbn = answer.json()["isbn"]
            return None if isbn is None else isbn13_of(isbn)
        except (httpx2.HTTPError, ValueError, TypeError, KeyError, AttributeError, IsbnInvalid):
            _log.warning("library.answer_unreadable", book_id=book_id, status=answer.status_code)
            raise CallFailed(UNREACHABLE) from None

    async def place_reservation(self, body: bytes, headers: Mapping[str, str], *, seconds: float) -> PassedOn:
        """Hand a reservation on; `headers` are those of the caller that the library must see.

        Raises:
            LibraryUnreachable: whether or not it was placed is then not known.
        """
        sent = {"Content-Type": "application/json", **headers}
        answer = await self._send("POST", "/api/reservations/", headers=sent, body=body, seconds=seconds)
        content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type not in _JSON_TYPES or answer.status_code in _OWN_FAILURES:
            _log.warning("library.answer_unreadable", status=answer.status_code)
            raise LibraryUnreachable
        passed = {name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers}
        if "Location" in passed:
            passed["Location"] = urljoin(self._public_url + "/", passed["Location"])
        return PassedOn(answer.status_code, answer.content, passed)

    async def check(self, *, seconds: float) -> None:
        """Whether it answers.

        Raises:
            LibraryUnreachable
        """
        answer = await self._send("GET", "/health/live", headers={}, body=None, seconds=seconds)
        if answer.status_code != httpx2.codes.OK:
            raise LibraryUnreachable

    async def _send(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None, seconds: float
    ) -> httpx2.Response:
        ours = {"Accept": "application/json", "X-Request-ID": request_id(), "traceparent": traceparent()}
        sent = {name: value for name, value in (ours | dict(headers)).items() if value}
        try:
            with anyio.fail_after(max(0, seconds)):
                async with self._client.stream(method, self._url + path, headers=sent, content=body) as answer:
                    return await _read(answer)
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            _log.warning("library.unreachable", method=method, error=type(error).__name__)
            raise LibraryUnreachable from None


async def _read(answer: httpx2.Response) -> httpx2.Response:
    """The whole answer, if it is of a size that the library sends."""
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > _LONGEST_ANSWER:
            raise ValueError("too long")
    kept = {name: value for name, value in answer.headers.items() if name not in _ABOUT_TRANSFER}
    return httpx2.Response(answer.status_code, headers=kept, content=bytes(content), request=answer.request)

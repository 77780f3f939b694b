"""DAIA 1.0, the server's side: what is available of which document."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bookwell.kit import clock
from bookwell.simulators.http import Answer, Request, json_answer
from bookwell.simulators.library import Shelved, SimulatedLibrary
from bookwell.simulators.stock import Condition, Copy, Title, isbn10_of

__all__ = ["DaiaServer", "gbv_error"]

_VERSION = {"X-DAIA-Version": "1.0.0"}
_LOAN, _HERE = "loan", "presentation"


def gbv_error(status: int, error: str, description: str, *, shown_as: int | None = None) -> Answer:
    """A request-level error of DAIA and PAIA; `shown_as`: the HTTP status, where it is not the error's own."""
    value = {"error": error, "code": status, "error_description": description, "error_uri": ""}
    return json_answer(value, shown_as or status, _VERSION)


@dataclass(frozen=True, slots=True)
class DaiaServer:
    """`prefix` is the library's syntax for ISBNs; `page` how many ids it looks up at a time."""

    library: SimulatedLibrary
    prefix: str
    home: str
    page: int
    tells_unknown: bool

    def answer(self, request: Request) -> Answer:
        """`GET ?id=A%7CB&format=json`."""
        if request.method not in {"GET", "HEAD"}:
            return gbv_error(405, "invalid_request", "GET or HEAD")
        if request.arguments.get("format") != "json":
            return gbv_error(422, "invalid_request", "format must be json")
        identifiers = [part for part in request.arguments.get("id", "").split("|") if part]
        if not identifiers or "|" in request.query:
            return gbv_error(400, "invalid_request", "id is missing, or has an unquoted separator")
        now, later = identifiers[: self.page], identifiers[self.page :]
        headers = dict(_VERSION)
        if later:
            headers["Link"] = f'<{request.path}?id={quote("|".join(later), safe="")}&format=json>; rel="next"'
        return json_answer(self._response(now), headers=headers)

    def find(self, edition: str) -> Title | None:
        """The title behind a document's URI."""
        return next((title for title in self.library.titles.values() if self.uri(title) == edition), None)

    def uri(self, title: Title) -> str:
        """A document's URI."""
        return f"{self.home}/doc/{title.number}"

    def item_uri(self, number: int) -> str:
        """A copy's URI."""
        return f"{self.home}/item/{number}"

    def _response(self, identifiers: Sequence[str]) -> dict[str, Any]:
        documents = [self._document(identifier) for identifier in identifiers]
        return {
            "document": [document for document in documents if document is not None],
            "institution": {"id": self.home, "href": f"{self.home}/", "content": self.library.name.title()},
            "timestamp": clock.now().isoformat(),
            "x-served-by": "shelf-7",
        }

    def _document(self, identifier: str) -> dict[str, Any] | None:
        title = self._requested(identifier)
        if title is None:
            unknown = {"id": f"{self.home}/unknown/{quote(identifier, safe='')}", "requested": identifier, "item": []}
            return unknown if self.tells_unknown else None
        self.library.traffic.by_isbn[title.isbn] += 1
        items = [self._item(title, shelved) for shelved in self.library.shelf(title)]
        about = f"{title.name} / {title.author}"
        return {
            "id": self.uri(title),
            "requested": identifier,
            "href": f"{self.home}/record/{title.number}",
            "about": about,
            "item": items,
        }

    def _requested(self, identifier: str) -> Title | None:
        value = identifier.removeprefix(self.prefix)
        if value == identifier:
            return self.find(identifier)
        if value in self.library.titles:
            return self.library.titles[value]
        return next((title for title in self.library.titles.values() if isbn10_of(title.isbn) == value), None)

    def _item(self, title: Title, shelved: Shelved) -> dict[str, Any]:
        available, unavailable = _services(shelved, queue=len(self.library.waiting(title)))
        return {
            "id": self.item_uri(shelved.copy.number),
            "href": "",
            "label": f"S {title.number}/{shelved.copy.number}",
            "about": "",
            "chronology": {"about": ""},
            "department": {"id": f"{self.home}/hall", "content": "Lending hall"},
            "storage": {"content": "Stacks"},
            "available": available,
            "unavailable": unavailable,
            "rfid": "E004015",
        }


_Services = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _services(shelved: Shelved, *, queue: int) -> _Services:
    """What can and cannot be done with a copy; `queue` are waiting holds of ours on its title."""
    copy = shelved.copy
    if shelved.hold is not None:
        due = shelved.hold.due_at
        return [], [{"service": _LOAN, "expected": due.isoformat() if due else "unknown", "queue": queue}]
    if copy.is_free:
        return _free(copy), []
    if copy.condition is Condition.READING_ROOM:
        return [{"service": _HERE}], [{"service": _LOAN}]
    return _out(copy, queue)


def _free(copy: Copy) -> list[dict[str, Any]]:
    if copy.condition is Condition.DELAYED:
        return [{"service": _LOAN, "delay": "P1D", "title": "From the stacks"}]
    return [{"service": _HERE}, {"service": _LOAN, "href": "", "limitation": []}, {"service": "scan"}]


def _out(copy: Copy, queue: int) -> _Services:
    if copy.condition is Condition.SHORT_LOAN_OUT:
        limitation = [{"id": "http://library.example/short", "content": "Over night only"}]
        return [{"service": _LOAN, "limitation": limitation}], [{"service": _LOAN, "expected": _day(copy.days or 0)}]
    if copy.condition is Condition.ON_LOAN:
        day = "unknown" if copy.days is None else _day(copy.days)
        return [], [{"service": _LOAN, "expected": day, "queue": copy.queue + queue}, {"service": _HERE}]
    return [], [{"service": _LOAN}, {"service": _HERE}]


def _day(days: int) -> str:
    return (clock.now() + dt.timedelta(days=days)).date().isoformat()

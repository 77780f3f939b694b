"""Koha's REST API, the server's side: records, items and holds of a staff account."""

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from bookwell.kit import clock
from bookwell.simulators.http import Answer, Request, json_answer
from bookwell.simulators.library import OPEN, Hold, HoldStatus, Shelved, SimulatedLibrary
from bookwell.simulators.stock import Condition, Title, isbn10_of

__all__ = ["KohaServer"]

_PLACES = ("CPL", "MPL")
_STATUS = {
    HoldStatus.ACCEPTED: None,
    HoldStatus.IN_TRANSIT: "T",
    HoldStatus.READY: "W",
    HoldStatus.BORROWED: "F",
    HoldStatus.RETURNED: "F",
}


@dataclass(frozen=True, slots=True)
class KohaServer:
    """What is below `/api/v1`."""

    library: SimulatedLibrary

    def answer(self, request: Request, path: Sequence[str]) -> Answer:
        """Find the operation of a path."""
        match request.method, list(path):
            case "POST", ["oauth", "token"]:
                return self._token(request)
            case "GET", ["public", "biblios", number, "items"]:
                return self._items(request, number)
        if not self._is_staff(request):
            return _error(401, "Authentication failure.")
        return self._answer_staff(request, path)

    def _answer_staff(self, request: Request, path: Sequence[str]) -> Answer:
        match request.method, list(path):
            case "GET", ["biblios", number, "items"]:
                return self._items(request, number)
            case "GET", ["biblios"]:
                return _page(request, [_biblio(title) for title in self.library.titles.values()])
            case _, ["holds", *rest]:
                return self._holds(request, rest)
            case "GET", ["patrons", self.library.patron, "holds"]:
                return _page(request, self._old_holds() if _is_set(request, "old") else self._open_holds())
            case "GET", ["checkouts"]:
                return self._checkouts(request)
        return _error(404, "Not found.")

    def _token(self, request: Request) -> Answer:
        form = request.form
        if form.get("grant_type") != "client_credentials":
            return _error(400, "Unimplemented grant type")
        if (form.get("client_id"), form.get("client_secret")) != self.library.credentials:
            return _error(403, "unauthorized_client")
        token, seconds = self.library.issue_token(frozenset({"staff"}))
        return json_answer({"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    def _is_staff(self, request: Request) -> bool:
        return request.basic == self.library.credentials or self.library.scopes_of(request.bearer) is not None

    def _items(self, request: Request, number: str) -> Answer:
        title = self._title(number)
        if title is None:
            return _error(404, "Bibliographic record not found")
        self.library.traffic.by_isbn[title.isbn] += 1
        return _page(request, [_item(title, shelved) for shelved in self.library.shelf(title)])

    def _holds(self, request: Request, rest: Sequence[str]) -> Answer:
        match request.method, list(rest):
            case "GET", []:
                return _page(request, [*self._open_holds(), *self._other_readers()])
            case "POST", []:
                return self._place(request)
            case "DELETE", [number]:
                return self._cancel(request, number)
            case "PATCH", [number]:
                return self._change(request, number)
        return _error(405, "Method not allowed.")

    def _place(self, request: Request) -> Answer:
        try:
            wish = request.json_object()
        except ValueError:
            return _error(400, "Malformed JSON")
        if str(wish.get("patron_id")) != self.library.patron:
            return _error(400, "patron_id not found")
        if wish.get("pickup_library_id") not in _PLACES:
            return _error(400, "The supplied pickup location is not valid")
        title = self._title(str(wish.get("biblio_id")))
        if title is None:
            return _error(404, "biblio_id not found")
        reason = self._reason_against(title)
        if reason:
            return _error(403, f"Hold cannot be placed. Reason: {reason}")
        notes = str(wish.get("notes") or "")
        hold = self.library.place(title, pickup=str(wish["pickup_library_id"]), notes=notes)
        return json_answer(_hold(hold, self.library), 201, {"Location": f"{request.path}/{hold.number}"})

    def _reason_against(self, title: Title) -> str:
        holdable = {Condition.FREE, Condition.DELAYED, Condition.ON_LOAN}
        if not any(copy.condition in holdable for copy in title.copies):
            return "noReservesAllowed"
        open_holds = sum(hold.status in OPEN for hold in self.library.holds)
        return "tooManyReserves" if open_holds >= self.library.max_holds else ""

    def _cancel(self, request: Request, number: str) -> Answer:
        hold = self._hold(number)
        if hold is None:
            return _error(404, "Hold not found")
        if "cancellation-request-flow" in request.headers.get("x-koha-override", ""):
            return Answer(202)
        hold.move(HoldStatus.CANCELLED, clock.now())
        return Answer(204)

    def _change(self, request: Request, number: str) -> Answer:
        hold = self._hold(number)
        if hold is None:
            return _error(404, "Hold not found")
        try:
            pickup = request.json_object().get("pickup_library_id", hold.pickup)
        except ValueError:
            return _error(400, "Malformed JSON")
        if pickup not in _PLACES:
            return _error(400, "The supplied pickup location is not valid")
        hold.pickup = pickup
        return json_answer(_hold(hold, self.library))

    def _title(self, number: str) -> Title | None:
        return next((title for title in self.library.titles.values() if str(title.number) == number), None)

    def _hold(self, number: str) -> Hold | None:
        return next((hold for hold in self.library.holds if str(hold.number) == number and hold.status in OPEN), None)

    def _open_holds(self) -> list[dict[str, Any]]:
        return [_hold(hold, self.library) for hold in self.library.holds if hold.status in OPEN]

    def _old_holds(self) -> list[dict[str, Any]]:
        return [_hold(hold, self.library) for hold in self.library.holds if hold.status not in OPEN]

    def _checkouts(self, request: Request) -> Answer:
        """Loans of our making; those of its own readers are nobody's business."""
        if request.arguments.get("patron_id") != self.library.patron:
            return _error(404, "Patron not found")
        status = HoldStatus.RETURNED if _is_set(request, "checked_in") else HoldStatus.BORROWED
        lent = (hold for hold in self.library.holds if hold.status is status)
        return _page(request, [_checkout(hold) for hold in lent])

    def _other_readers(self) -> Iterator[dict[str, Any]]:
        for title in self.library.titles.values():
            yield from _other_readers(title)


def _error(status: int, text: str) -> Answer:
    return json_answer({"error": text}, status)


@lru_cache(maxsize=4096)
def _biblio(title: Title) -> dict[str, Any]:
    return {
        "biblio_id": title.number,
        "title": title.name,
        "author": title.author,
        "isbn": _raw_isbn(title),
        "framework_id": "",
        "item_type": "BK",
    }


def _raw_isbn(title: Title) -> str:
    """As cataloguers type it: one or several, with remarks, or only the older form."""
    short = isbn10_of(title.isbn)
    forms = (title.isbn, f"{short} (hardback) | {title.isbn} (pbk.)", f"{short} :", f"{title.isbn} | 9780000000002")
    return forms[title.number % len(forms)] if short else title.isbn


def _item(title: Title, shelved: Shelved) -> dict[str, Any]:
    copy, hold = shelved.copy, shelved.hold
    due = hold.due_at.date() if hold and hold.due_at else None
    if copy.condition in {Condition.ON_LOAN, Condition.SHORT_LOAN_OUT}:
        due = (clock.now() + dt.timedelta(days=21 if copy.days is None else copy.days)).date()
    return {
        "item_id": copy.number,
        "biblio_id": title.number,
        "external_id": f"3990000{copy.number}",
        "home_library_id": _PLACES[copy.number % 2],
        "holding_library_id": _PLACES[0],
        "callnumber": f"823 {title.number}",
        "not_for_loan_status": 1 if copy.condition is Condition.READING_ROOM else 0,
        "lost_status": 1 if copy.condition is Condition.LOST else 0,
        "withdrawn": 1 if copy.condition is Condition.WITHDRAWN else 0,
        "damaged_status": 1 if copy.condition is Condition.DAMAGED else 0,
        "restricted_status": None,
        "checked_out_date": due.isoformat() if due else None,
        "uri": "",
    }


def _hold(hold: Hold, library: SimulatedLibrary) -> dict[str, Any]:
    is_waiting_for_pickup = hold.status is HoldStatus.READY
    is_for_any_copy = hold.status is HoldStatus.ACCEPTED
    deadline = hold.pickup_deadline_at
    return {
        "hold_id": hold.number,
        "patron_id": int(hold.patron),
        "biblio_id": hold.title.number,
        "item_id": None if is_for_any_copy else library.copy_for(hold),
        "pickup_library_id": hold.pickup,
        "hold_date": hold.placed_at.date().isoformat(),
        "priority": int(is_for_any_copy),
        "status": _STATUS.get(hold.status),
        "waiting_date": clock.now().date().isoformat() if is_waiting_for_pickup else None,
        "expiration_date": deadline.date().isoformat() if deadline else None,
        "notes": hold.notes,
        "suspended": False,
        "suspended_until": None,
        "cancellation_date": clock.now().date().isoformat() if hold.status is HoldStatus.CANCELLED else None,
        "timestamp": clock.now().isoformat(),
    }


def _checkout(hold: Hold) -> dict[str, Any]:
    is_back = hold.status is HoldStatus.RETURNED
    return {
        "checkout_id": 40_000 + hold.number,
        "patron_id": int(hold.patron),
        "item_id": hold.copy_number,
        "due_date": (hold.due_at or clock.now()).isoformat(timespec="seconds"),
        "checkout_date": hold.placed_at.isoformat(timespec="seconds"),
        "checkin_date": clock.now().isoformat(timespec="seconds") if is_back else None,
        "library_id": hold.pickup,
        "renewals_count": 0,
        "onsite_checkout": False,
    }


def _is_set(request: Request, name: str) -> bool:
    return request.arguments.get(name) in {"true", "1"}


@lru_cache(maxsize=4096)
def _other_readers(title: Title) -> Sequence[dict[str, Any]]:
    """Holds of the library's own readers: they wait for copies on loan."""
    return [
        {
            "hold_id": 900_000 + title.number * 100 + place,
            "patron_id": 700 + place,
            "biblio_id": title.number,
            "item_id": None,
            "pickup_library_id": _PLACES[0],
            "hold_date": clock.now().date().isoformat(),
            "priority": place,
            "status": None,
            "expiration_date": None,
            "notes": None,
            "suspended": False,
            "cancellation_date": None,
        }
        for place in range(1, 1 + sum(copy.queue for copy in title.copies))
    ]


def _page(request: Request, rows: Sequence[dict[str, Any]]) -> Answer:
    """One page of the rows that the filter lets through."""
    arguments = request.arguments
    try:
        wanted = json.loads(arguments.get("q") or "{}")
        number, size = int(arguments.get("_page", "1")), int(arguments.get("_per_page", "20"))
        is_wanted = _filter(wanted)
        matching = [row for row in rows if is_wanted(row)] if wanted else rows
    except (ValueError, TypeError, AttributeError, KeyError, StopIteration):
        return _error(400, "Malformed query")
    if number < 1 or size < 1:
        return _error(400, "Malformed query")
    shown = matching[(number - 1) * size : number * size]
    headers = {"X-Total-Count": str(len(matching)), "X-Base-Total-Count": str(len(rows))}
    if number * size < len(matching):
        query = f"_page={number + 1}&_per_page={size}&q={quote(arguments.get('q', ''))}"
        headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return json_answer(shown, headers=headers)


_Row = dict[str, Any]


def _filter(wanted: Any) -> Callable[[_Row], bool]:
    """Koha's filter, as far as anybody needs it: columns with a value, `-like` or `=`; lists are alternatives."""
    if isinstance(wanted, list):
        choices = [_filter(one) for one in wanted]
        return lambda row: any(choice(row) for choice in choices)
    conditions = [(column, _condition(condition)) for column, condition in wanted.items()]
    if len(conditions) == 1:
        ((only, only_agrees),) = conditions
        return lambda row: only_agrees(row[only])
    return lambda row: all(agrees(row[column]) for column, agrees in conditions)


def _condition(wanted: Any) -> Callable[[Any], bool]:
    if isinstance(wanted, list):
        choices = [_condition(one) for one in wanted]
        return lambda value: any(choice(value) for choice in choices)
    operator, operand = next(iter(wanted.items())) if isinstance(wanted, dict) else ("=", wanted)
    if operator in {"-like", "like"}:
        part = str(operand).strip("%").lower()
        return lambda value: part in (value or "").lower()
    whole = str(operand)
    return lambda value: value == operand or (type(value) is not type(operand) and str(value) == whole)

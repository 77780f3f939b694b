"""PAIA 1.4, the server's side: a patron's account."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bookwell.kit import clock
from bookwell.simulators.daia import DaiaServer, gbv_error
from bookwell.simulators.http import Answer, Request, json_answer
from bookwell.simulators.library import OPEN, Hold, HoldStatus, SimulatedLibrary
from bookwell.simulators.stock import Title

__all__ = ["PaiaServer"]

_SCOPES = frozenset({"read_patron", "read_items", "write_items", "read_fees"})
_STORAGE = "http://purl.org/ontology/paia#StorageCondition"
_SCOPE_OF = {"GET": {"": "read_patron", "items": "read_items", "fees": "read_fees"}}
_WRITING = {"request", "renew", "cancel"}
_STATUS = {
    HoldStatus.ACCEPTED: 2,
    HoldStatus.IN_TRANSIT: 2,
    HoldStatus.READY: 4,
    HoldStatus.BORROWED: 3,
    HoldStatus.REFUSED: 5,
}


@dataclass(frozen=True, slots=True)
class PaiaServer:
    """`asks_for_storage`: a request needs a pickup place; `is_terse`: it leaves out what it may, and more.

    Only a terse server refuses a second request for one edition; the other one takes it, as some do.
    """

    library: SimulatedLibrary
    documents: DaiaServer
    asks_for_storage: bool = False
    is_terse: bool = False

    def authenticate(self, request: Request, action: str) -> Answer:
        """`POST auth/login` and its siblings."""
        if request.method != "POST":
            return gbv_error(405, "invalid_request", "POST")
        if action == "logout":
            return json_answer({"patron": self.library.patron})
        if action != "login":
            return gbv_error(501, "not_implemented", action)
        form = request.form
        if form.get("grant_type") != "password":
            return gbv_error(400, "invalid_request", "grant_type must be password")
        if (form.get("username"), form.get("password")) != self.library.credentials:
            return gbv_error(403, "access_denied", "wrong username or password")
        scopes = frozenset(form.get("scope", "read_patron").split()) & _SCOPES
        token, seconds = self.library.issue_token(scopes)
        return json_answer(
            {
                "access_token": token,
                "patron": self.library.patron,
                "token_type": "Bearer",
                "scope": " ".join(sorted(scopes)),
                "expires_in": seconds,
            },
            headers={"Cache-Control": "no-store"},
        )

    def serve(self, request: Request, patron: str, action: str) -> Answer:
        """`core/{patron}` and what is below it."""
        granted = self.library.scopes_of(request.bearer)
        if granted is None:
            return gbv_error(401, "invalid_grant", "the token is not good")
        if patron != self.library.patron:
            return gbv_error(403, "access_denied", "another patron's account")
        needed = "write_items" if action in _WRITING else _SCOPE_OF["GET"].get(action)
        if needed is None:
            return gbv_error(404, "not_found", action)
        if request.method != ("POST" if action in _WRITING else "GET"):
            return gbv_error(405, "invalid_request", request.method)
        if needed not in granted:
            return gbv_error(403, "insufficient_scope", needed, shown_as=200 if self.is_terse else 403)
        return self._read(action) if request.method == "GET" else self._write(request, action)

    def _read(self, action: str) -> Answer:
        if action == "fees":
            return json_answer({"amount": "0.00 EUR", "fee": []})
        if action == "items":
            listed = [hold for hold in self.library.holds if hold.status in _STATUS]
            return json_answer({"doc": [self._document(hold) for hold in listed]})
        return json_answer({"name": "Bookwell", "email": "", "status": 0, "type": []})

    def _write(self, request: Request, action: str) -> Answer:
        try:
            wishes = request.json_object()["doc"]
            answers = [self._granted(action, dict(wish)) for wish in wishes]
        except (ValueError, KeyError, TypeError):
            return gbv_error(422, "invalid_request", "doc must be a list of documents")
        return json_answer({"doc": answers})

    def _granted(self, action: str, wish: dict[str, Any]) -> dict[str, Any]:
        uri = str(wish.get("edition") or wish.get("item") or "")
        title = self.documents.find(uri)
        if title is None:
            return {"edition": uri, "status": 0, "error": "document not found"}
        if action == "request":
            return self._request(title, uri, wish.get("confirm"))
        hold = self._open_hold(title)
        if hold is None or action == "renew":
            return {"edition": uri, "status": 0, "error": "there is no such request"}
        if hold.status is HoldStatus.READY and self.is_terse:
            return {**self._document(hold), "error": "it is on the hold shelf already"}
        hold.move(HoldStatus.CANCELLED, clock.now())
        return {"edition": uri, "status": 0}

    def _request(self, title: Title, uri: str, confirm: Any) -> dict[str, Any]:
        refusal = self._refusal(title)
        if refusal:
            return {"edition": uri, "status": 0, "error": refusal}
        pickup = ""
        if self.asks_for_storage:
            chosen = confirm.get(_STORAGE) if isinstance(confirm, dict) else None
            known = {option["id"] for option in self._places()}
            if not isinstance(chosen, list) or not chosen or chosen[0] not in known:
                return {"edition": uri, "status": 0, "error": "choose a pickup place", "condition": self._condition()}
            pickup = chosen[0]
        return self._document(self.library.place(title, pickup=pickup))

    def _refusal(self, title: Title) -> str:
        if not title.copies:
            return "no copy that could be requested"
        if self.is_terse and self._open_hold(title) is not None:
            return "already requested"
        open_holds = sum(hold.status in OPEN for hold in self.library.holds)
        return "maximum number of requests reached" if open_holds >= self.library.max_holds else ""

    def _open_hold(self, title: Title) -> Hold | None:
        return next((hold for hold in self.library.holds_on(title) if hold.status in OPEN), None)

    def _places(self) -> list[dict[str, Any]]:
        places = (("desk", "Lending desk"), ("north", "Branch North"))
        return [{"id": f"{self.documents.home}/place/{key}", "about": about, "amount": ""} for key, about in places]

    def _condition(self) -> dict[str, Any]:
        places = self._places()
        return {_STORAGE: {"option": places, "default": [places[0]["id"]], "multiple": False}}

    def _document(self, hold: Hold) -> dict[str, Any]:
        uri = self.documents.uri(hold.title)
        waiting = hold in self.library.waiting(hold.title)
        document: dict[str, Any] = {
            "status": 1 if waiting and hold.status is HoldStatus.ACCEPTED else _STATUS[hold.status],
            "edition": uri,
            "requested": uri,
            "about": hold.title.name,
            "starttime": hold.placed_at.isoformat(),
            "reminder": "",
            "renewals": 0,
        }
        if waiting:
            document["queue"] = self.library.waiting(hold.title).index(hold) + 1
        if not waiting:
            document["item"] = next(
                (self.documents.item_uri(at.copy.number) for at in self.library.shelf(hold.title) if at.hold is hold),
                "",
            )
        if end := hold.due_at or (None if self.is_terse else hold.pickup_deadline_at):
            document["endtime"] = end.date().isoformat() if hold.status is HoldStatus.READY else _local(end)
        if hold.pickup and not self.is_terse:
            document |= {"storage": hold.pickup, "storageid": quote(hold.pickup, safe=":/")}
        if not self.is_terse:
            document |= {"cancancel": hold.status in OPEN, "canrenew": False}
        return document


def _local(instant: dt.datetime) -> str:
    return instant.astimezone(dt.timezone(dt.timedelta(hours=1))).isoformat(timespec="seconds")

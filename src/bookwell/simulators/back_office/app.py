"""The simulated back office below `/backoffice`, and its switches at `/control/backoffice`."""

from typing import Any

from pydantic import ValidationError

from bookwell.contracts.webhooks import WebhookBody
from bookwell.kit import clock
from bookwell.kit.webhooks import SignatureInvalid, verify
from bookwell.simulators.back_office.courier import Courier, Decision, Post, post
from bookwell.simulators.back_office.ledger import Ledger, Taken
from bookwell.simulators.back_office.memory import Memory
from bookwell.simulators.back_office.moods import BackOfficeMood, outage_of
from bookwell.simulators.back_office.page import page_of, style
from bookwell.simulators.back_office.settings import BackOfficeSettings
from bookwell.simulators.http import Answer, Request, json_answer

__all__ = ["BackOffice"]

_HOME = "/backoffice"
_FORM = "application/x-www-form-urlencoded"
_LONGEST_REASON = 500


class BackOffice:
    """One back office; without a file its memory goes with the process."""

    def __init__(self, settings: BackOfficeSettings | None = None, *, send: Post = post) -> None:
        settings = settings or BackOfficeSettings()
        self._memory = Memory(settings.file)
        self.ledger = self._memory.recall()
        self.mood = BackOfficeMood()
        note = self._memory.keep_sent
        self.courier = Courier(settings.tables_url, settings.of_decisions(), post=send, note=note)
        self._secrets = settings.of_events()

    async def answer(self, request: Request, path: list[str]) -> Answer:
        """One request below `/backoffice`."""
        if request.method == "POST":
            return await self._post(request, path)
        return self._get(path) if request.method == "GET" else _problem(405, "GET or POST")

    def _get(self, path: list[str]) -> Answer:
        match path:
            case []:
                return page_of(self.ledger.listed(), mood=_told_of(self.mood))
            case ["style.css"]:
                return style()
            case ["orders"]:
                return json_answer(self._shown())
            case ["orders", number] if order := self.ledger.orders.get(_number(number)):
                return json_answer(order.shown())
        return _problem(404, "not found")

    async def _post(self, request: Request, path: list[str]) -> Answer:
        match path:
            case ["hooks"]:
                return self._take(request)
            case ["orders", number, ("confirm" | "decline") as decision]:
                return await self._decide(request, _number(number), decision)
        return _problem(404, "not found")

    def control(self, request: Request) -> Answer:
        """One request to the switches: GET, PUT a mood, DELETE for none and an empty memory."""
        match request.method:
            case "GET":
                pass
            case "PUT":
                try:
                    self.mood = BackOfficeMood.model_validate(request.json_object())
                except ValidationError as error:
                    return _problem(422, str(error))
                except ValueError as error:
                    return _problem(400, str(error))
            case "DELETE":
                self.mood, self.ledger = BackOfficeMood(), Ledger()
                self._memory.clear()
            case _:
                return _problem(405, "GET, PUT or DELETE")
        counts = {"orders": len(self.ledger.orders), "events": dict(self.ledger.counts)}
        return json_answer({"name": "back office", "path": _HOME, **self.mood.model_dump(), **counts})

    def _take(self, request: Request) -> Answer:
        self.ledger.counts["received"] += 1
        if down := outage_of(self.mood):
            return down
        try:
            webhook_id = verify(request.headers, request.body, secrets=self._secrets, now=clock.now())
            body = WebhookBody.model_validate_json(request.body)
            taken = self.ledger.take(webhook_id, body)
        except SignatureInvalid:
            self.ledger.counts["refused"] += 1
            return _problem(401, "the signature is wrong, missing or too old")
        except ValidationError:
            self.ledger.counts["refused"] += 1
            return _problem(422, "no event of a booking")
        if taken is not Taken.REPEATED:
            self._memory.keep_event(webhook_id, body)
        return json_answer({"taken": taken})

    async def _decide(self, request: Request, number: int, decision: Decision) -> Answer:
        is_form = request.headers.get("content-type", "").startswith(_FORM)
        if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            return _problem(403, "this comes from another site")
        order = self.ledger.orders.get(number)
        if order is None:
            return _problem(404, "no such order")
        try:
            said: Any = request.form if is_form or not request.body else request.json_object()
            reason = str(said.get("reason", ""))[:_LONGEST_REASON]
        except ValueError as error:
            return _problem(400, str(error))
        await self.courier.bring(order, decision, reason=reason, mood=self.mood)
        return Answer(303, b"", {"Location": _HOME}) if is_form else json_answer(order.shown())

    def _shown(self) -> dict[str, Any]:
        counts = dict(self.ledger.counts)
        return {"orders": [order.shown() for order in self.ledger.listed()], "events": counts}


def _told_of(mood: BackOfficeMood) -> str:
    return ", ".join(f"{name} {value}" for name, value in mood.model_dump(exclude_defaults=True).items())


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _problem(status: int, detail: str) -> Answer:
    return json_answer({"error": detail}, status)

"""Brings decisions to the tables service: signed, in turn, and again while nobody takes them."""

import asyncio
import datetime as dt
import json
import secrets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Literal
from urllib.parse import urlsplit

from bookwell.contracts.backoffice import DecisionRequest
from bookwell.kit import clock, ids
from bookwell.kit.webhooks import WebhookSecret, sign
from bookwell.simulators.back_office.ledger import Order, Sent
from bookwell.simulators.back_office.moods import BackOfficeMood

__all__ = ["Courier", "Decision", "Post", "post"]

Decision = Literal["confirm", "decline"]
Post = Callable[[str, Mapping[str, str], bytes], tuple[int, bytes]]
"""Sends a body to a URL; the answer's status and body. Raises OSError where there is no answer."""

_PATH = "/api/backoffice/decisions"
_TIMEOUT_SECONDS = 5
_GAPS = (0.5, 2, 5, 15, 60, 300)
_LONGEST_ANSWER = 65_536
_OPPOSITE: Mapping[Decision, Decision] = {"confirm": "decline", "decline": "confirm"}


@dataclass(frozen=True, slots=True)
class _Errand:
    """One decision on its way."""

    order: Order
    sent: Sent
    body: bytes


class Courier:
    """Sends what the employee decides, as the mood wants it; `note` hears of every change of what was sent."""

    def __init__(
        self,
        url: str,
        secrets: Sequence[WebhookSecret],
        *,
        post: Post,
        gaps: Sequence[float] = _GAPS,
        note: Callable[[Order], None] = lambda _order: None,
    ) -> None:
        self._url = url.rstrip("/") + _PATH
        self._secrets = secrets
        self._post = post
        self._gaps = gaps
        self._note = note
        self._errands: set[asyncio.Task[None]] = set()

    async def bring(self, order: Order, decision: Decision, *, reason: str, mood: BackOfficeMood) -> list[Sent]:
        """Send a decision about an order: comes back when it was answered, or is to be tried again later."""
        errands = list(self._plan(order, decision, reason, mood))
        if mood.late_seconds:
            self._begin(self._send_late(errands, mood))
        else:
            await self._send_all(errands, mood)
        return [errand.sent for errand in errands]

    async def finish(self) -> None:
        """Wait for what is still under way."""
        while self._errands:
            await asyncio.gather(*self._errands)

    def _plan(self, order: Order, decision: Decision, reason: str, mood: BackOfficeMood) -> list[_Errand]:
        version = order.event.version
        wanted = [decision, _OPPOSITE[decision]] if mood.contradictory else [decision]
        errands = []
        for each in wanted:
            request = DecisionRequest(
                booking_id=order.event.booking_id,
                decision=each,
                version=version,
                reason=reason,
                backoffice_ref=f"SIM-{order.event.booking_id}",
            )
            body = request.model_dump_json().encode()
            webhook_id = ids.new_id()
            errands.append(_Errand(order, Sent(webhook_id, each, version), body))
            if mood.duplicates:
                again = webhook_id if mood.duplicates == "same_id" else ids.new_id()
                errands.append(_Errand(order, Sent(again, each, version), body))
        order.sent += [errand.sent for errand in errands]
        self._note(order)
        return errands

    async def _send_late(self, errands: Sequence[_Errand], mood: BackOfficeMood) -> None:
        await asyncio.sleep(mood.late_seconds)
        await self._send_all(errands, mood)

    async def _send_all(self, errands: Sequence[_Errand], mood: BackOfficeMood) -> None:
        """One after the other; the first that nobody takes goes on behind the scenes, and the others behind it."""
        for place, errand in enumerate(errands):
            if not await self._attempt(errand, mood):
                self._begin(self._insist(errands[place:], mood))
                break

    async def _insist(self, errands: Sequence[_Errand], mood: BackOfficeMood) -> None:
        for errand in errands:
            for gap in self._gaps:
                await asyncio.sleep(gap)
                if await self._attempt(errand, mood):
                    break

    async def _attempt(self, errand: _Errand, mood: BackOfficeMood) -> bool:
        """Whether it was answered for good."""
        try:
            return await self._send(errand.sent, errand.body, mood)
        finally:
            self._note(errand.order)

    async def _send(self, sent: Sent, body: bytes, mood: BackOfficeMood) -> bool:
        signers = [WebhookSecret(secrets.token_bytes(32))] if mood.wrong_signature else self._secrets
        sent_at = clock.now() + dt.timedelta(seconds=mood.timestamp_seconds)
        headers = {"Content-Type": "application/json"}
        headers |= sign(signers, message_id=sent.webhook_id, sent_at=sent_at, body=body)
        sent.attempts += 1
        try:
            sent.status, answer = await asyncio.to_thread(self._post, self._url, headers, body)
        except OSError as error:
            sent.status, sent.code = 0, type(error).__name__
            return False
        sent.code = _code_of(answer)
        return sent.status < 500 and sent.status != 429

    def _begin(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
    """Send a body by HTTP; follows no redirect.

    Raises:
        OSError: without an answer.
    """
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST_ANSWER)
    except HTTPException as error:
        raise OSError(type(error).__name__) from error
    finally:
        connection.close()


def _code_of(answer: bytes) -> str:
    """The stable code of a problem document; empty for anything else."""
    try:
        document = json.loads(answer)
    except ValueError:
        return ""
    return str(document.get("code", "")) if isinstance(document, dict) else ""

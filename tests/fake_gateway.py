"""A partners service that does as a test says, behind the library's HTTP client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote

import httpx2

from bookwell.contracts.partners import HoldState, HoldStatus, PartnerAvailability, PartnerState
from bookwell.kit import clock
from bookwell.library.partners import client
from bookwell.library.partners.queries import known_partners

__all__ = ["ISBN", "PARTNER", "FakeGateway", "fake_gateway"]

PARTNER = "library 2"
ISBN = "9780261103573"


@dataclass
class FakeGateway:
    """Holds by their references; `is_down` refuses connections, `loses_answers` does the work and then breaks off."""

    state: PartnerState = PartnerState.AVAILABLE
    answers_with: HoldStatus = HoldStatus.ACCEPTED
    is_down: bool = False
    loses_answers: int = 0
    keeps_holds: bool = False
    holds: dict[str, HoldState] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    placed: list[dict[str, Any]] = field(default_factory=list)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        path = unquote(request.url.path)
        self.seen.append(f"{request.method} {path}")
        self.tokens.append(request.headers["Authorization"])
        if self.is_down:
            raise httpx2.ConnectError("refused", request=request)
        if path == "/partners":
            listed = [{"name": PARTNER, "takes_holds": True}, {"name": "library 9", "takes_holds": False}]
            return httpx2.Response(200, json={"items": listed})
        if path.endswith("/availability"):
            return self._availability()
        return self._hold(request, path)

    def _availability(self) -> httpx2.Response:
        told = PartnerAvailability(
            name=PARTNER, state=self.state, fetched_at=None if self.state == "unknown" else clock.now()
        )
        return httpx2.Response(200, json={"libraries": [told.model_dump(mode="json")]})

    def _hold(self, request: httpx2.Request, path: str) -> httpx2.Response:
        ref = path.rpartition("/")[2]
        if request.method == "POST":
            hold = json.loads(request.content)
            self.placed.append(hold)
            ref = hold["reference"]
            refused = self.answers_with is HoldStatus.REFUSED
            state = HoldState(ref="" if refused else ref, state=self.answers_with, reason="no" if refused else None)
            told = self.holds.setdefault(ref, state)
        elif request.method == "DELETE":
            if self.keeps_holds:
                return httpx2.Response(409, json={"code": "partner.refused", "detail": "borrowed"})
            told = self.holds[ref] = HoldState(ref=ref, state=HoldStatus.CANCELLED)
        else:
            told = self.holds.get(ref) or HoldState(ref=ref, state=HoldStatus.UNKNOWN)
        if self.loses_answers > 0:
            self.loses_answers -= 1
            raise httpx2.ReadError("connection lost", request=request)
        return httpx2.Response(200, json=told.model_dump(mode="json"))


@contextmanager
def fake_gateway() -> Iterator[FakeGateway]:
    """The library's client talks to this one, until the end."""
    gateway = FakeGateway()
    http = httpx2.Client(transport=httpx2.MockTransport(gateway.handle))
    known_partners.forget()
    with http, patch.object(client, "_client", lambda: http):
        yield gateway
    known_partners.forget()

"""A partners service that does as a test says, behind the library's HTTP client."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
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
    """Holds by their references; `is_down` refuses connections, `loses_answers` does the work and then breaks off.

    `lost_by` is what breaking off looks like to the caller. `meanwhile` runs while the partner is asked about a hold.
    """

    state: PartnerState = PartnerState.AVAILABLE
    answers_with: HoldStatus = HoldStatus.ACCEPTED
    is_down: bool = False
    is_unconfigured: bool = False
    fails_for: frozenset[str] = frozenset()
    loses_answers: int = 0
    lost_by: type[BaseException] = httpx2.ReadError
    meanwhile: Callable[[], object] | None = None
    keeps_holds: bool = False
    circuit: str = "closed"
    holds: dict[str, HoldState] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    placed: list[dict[str, Any]] = field(default_factory=list)
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: int = 0

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        path = unquote(request.url.path)
        self.seen.append(f"{request.method} {unquote(request.url.raw_path.decode())}")
        self.tokens.append(request.headers["Authorization"])
        self.traces.append(request.headers.get("traceparent", ""))
        if self.is_down:
            raise httpx2.ConnectError("refused", request=request)
        if path == "/partners":
            if "partners" in self.fails_for:
                return httpx2.Response(500)
            listed = [
                {"name": PARTNER, "takes_holds": True, "circuit": self.circuit},
                {"name": "library 9", "takes_holds": False},
            ]
            return httpx2.Response(200, json={"items": listed})
        if path.endswith("/availability"):
            if path.split("/")[2] in self.fails_for:
                return httpx2.Response(500)
            return self._availability()
        if self.is_unconfigured:
            return httpx2.Response(404, json={"code": "partner.unknown"})
        with self._counted(request, path):
            return self._hold(request, path)

    @contextmanager
    def _counted(self, request: httpx2.Request, path: str) -> Iterator[None]:
        ref = json.loads(request.content)["reference"] if request.method == "POST" else path.rpartition("/")[2]
        self.in_flight[ref] += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight[ref])
        try:
            if self.meanwhile is not None:
                self.meanwhile()
            yield
        finally:
            self.in_flight[ref] -= 1

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
            if not issubclass(self.lost_by, httpx2.RequestError):
                raise self.lost_by
            raise self.lost_by("connection lost", request=request)
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

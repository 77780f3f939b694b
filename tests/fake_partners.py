"""Partners that do as a test says, a library in memory, and the service over both."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from flask.testing import FlaskClient

from bookwell.contracts.partners import HoldRequest, HoldState, HoldStatus, PartnerState
from bookwell.kit import clock
from bookwell.kit.tokens import TokenVerifier, TrustedIssuer
from bookwell.partners.adapters.protocol import (
    Adapter,
    AdapterKind,
    AdapterOptions,
    Availability,
    Failure,
    PartnerFailed,
    PartnerRefused,
    Refusal,
)
from bookwell.partners.app import make_app
from bookwell.partners.configuration import PartnerEntry, PartnerRules, read_configuration
from bookwell.partners.gateway import Gateway
from bookwell.partners.loop import PerProcess
from bookwell.partners.settings import PartnersSettings
from bookwell.partners.simulated import simulated_partners

__all__ = [
    "BOOKS",
    "ISBN",
    "LIBRARY_URL",
    "OTHER_ISSUER",
    "FakeAdapter",
    "FakeLibrary",
    "World",
    "down",
    "entry_of",
    "in_world",
    "over_simulators",
    "token",
]

ISBN = "9780261103573"
LIBRARY_URL = "http://library.test"
OTHER_ISSUER = "http://outside.test"
"""Trusted too, but not the library."""

BOOKS: Mapping[int, str | None] = {1: ISBN, 2: None, 3: "9780439023481"}
_KEY = generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class FakeAdapter:
    """Answers `state` after `seconds`; `failures` come first, one a call."""

    state: PartnerState = PartnerState.AVAILABLE
    seconds: float = 0
    failures: list[Exception] = field(default_factory=list)
    calls: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    holds: dict[str, HoldState] = field(default_factory=dict)
    takes_holds: bool = True

    async def fetch_availability(self, isbn: str) -> Availability:
        await self._behave()
        return Availability(self.state, copies_available=1 if self.state is PartnerState.AVAILABLE else 0)

    async def place_hold(self, hold: HoldRequest) -> HoldState:
        await self._behave()
        return self.holds.setdefault(hold.reference, HoldState(ref=hold.reference, state=HoldStatus.ACCEPTED))

    async def find_hold(self, ref: str) -> HoldState:
        await self._behave()
        if not self.takes_holds:
            raise PartnerRefused(Refusal.HOLDS_UNSUPPORTED)
        return self.holds.get(ref) or HoldState(ref=ref, state=HoldStatus.UNKNOWN)

    async def cancel_hold(self, ref: str) -> HoldState:
        await self._behave()
        if ref not in self.holds:
            raise PartnerRefused(Refusal.NOT_HELD, "no such hold")
        self.holds[ref] = HoldState(ref=ref, state=HoldStatus.CANCELLED)
        return self.holds[ref]

    async def _behave(self) -> None:
        self.calls += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await anyio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        if self.failures:
            raise self.failures.pop(0)


def down(times: int = 1000) -> list[Exception]:
    """Failures of a partner that answers 500."""
    return [PartnerFailed(Failure.SERVER_ERROR) for _ in range(times)]


def entry_of(name: str, adapter: Adapter, **rules: Any) -> PartnerEntry:
    """A partner's configuration, which builds this very adapter."""
    kind = AdapterKind(AdapterOptions, lambda _options, _client: adapter)
    options = AdapterOptions(url="https://partner.test")
    return PartnerEntry(name, PartnerRules(protocol="fake", **rules), kind, options)


@dataclass
class FakeLibrary:
    """The library service: its books, and reservations by idempotency key. `dies` makes it break off after the work."""

    books: dict[int, str | None] = field(default_factory=lambda: dict(BOOKS))
    is_down: bool = False
    dies: int = 0
    seen: list[httpx2.Request] = field(default_factory=list)
    reservations: dict[str, dict[str, Any]] = field(default_factory=dict)
    answer: Callable[[httpx2.Request], httpx2.Response] | None = None

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if self.is_down:
            raise httpx2.ConnectError("refused", request=request)
        if self.answer is not None:
            return self.answer(request)
        if request.method == "POST":
            return self._reserve(request)
        book_id = int(request.url.path.strip("/").rpartition("/")[2])
        if book_id not in self.books:
            return httpx2.Response(404, json={"code": "book.not_found"})
        return httpx2.Response(200, json={"id": book_id, "isbn": self.books[book_id]})

    def _reserve(self, request: httpx2.Request) -> httpx2.Response:
        key = request.headers.get("Idempotency-Key") or f"none-{len(self.reservations)}"
        place = len(self.reservations) + 1
        made = self.reservations.setdefault(key, {"id": place, "state": "waiting"})
        if self.dies > 0:
            self.dies -= 1
            raise httpx2.ReadError("connection lost", request=request)
        return httpx2.Response(201, json=made, headers={"Location": f"/api/reservations/{made['id']}/"})


@dataclass
class World:
    """A running gateway, and the application over it."""

    gateway: Gateway
    adapters: Mapping[str, FakeAdapter]
    library: FakeLibrary
    client: FlaskClient


@contextmanager
def in_world(
    adapters: Mapping[str, FakeAdapter] | None = None, *, library: FakeLibrary | None = None, **settings: Any
) -> Iterator[World]:
    """The service over these partners; `settings` by their names."""
    adapters = adapters if adapters is not None else {"library 2": FakeAdapter(), "library 3": FakeAdapter()}
    library = library or FakeLibrary()
    configured = PartnersSettings(library_url=LIBRARY_URL, **settings)
    entries = [entry_of(name, adapter) for name, adapter in adapters.items()]
    transport = httpx2.MockTransport(library.handle)
    gateway = Gateway(configured, entries, make_client=lambda _: httpx2.AsyncClient(transport=transport))
    with _served(configured, gateway) as client:
        yield World(gateway, adapters, library, client)


@contextmanager
def over_simulators(url: str, **settings: Any) -> Iterator[FlaskClient]:
    """The service over the simulated libraries at `url`, with the product's own adapters and clients."""
    simulated = simulated_partners(url)
    configured = PartnersSettings(library_url=LIBRARY_URL, **settings)
    entries = read_configuration(None, environ=simulated.environ, default=simulated.configuration)
    with _served(configured, Gateway(configured, entries)) as client:
        yield client


@contextmanager
def _served(settings: PartnersSettings, gateway: Gateway) -> Iterator[FlaskClient]:
    app = make_app(settings, PerProcess(lambda: gateway), verifier=TokenVerifier(_issuers(_Keys(_KEY))))
    try:
        yield app.test_client()
    finally:
        gateway.close()


def token(*, issuer: str = LIBRARY_URL, seconds: float = 300, **claims: Any) -> dict[str, str]:
    """The header of a caller whose token says so: `token(sub="5", roles=["reader"])`."""
    now = clock.now()
    payload = {"iss": issuer, "aud": "bookwell", "jti": "1", "exp": now + dt.timedelta(seconds=seconds), **claims}
    return {"Authorization": f"Bearer {jwt.encode(payload, _KEY, algorithm='RS256', headers={'kid': 'test'})}"}


@dataclass(frozen=True)
class _Keys:
    private: RSAPrivateKey

    def find_public_key(self, kid: str) -> RSAPublicKey | None:
        return self.private.public_key() if kid == "test" else None


def _issuers(keys: _Keys) -> list[TrustedIssuer]:
    return [TrustedIssuer(issuer=url, audience="bookwell", keys=keys) for url in (LIBRARY_URL, OTHER_ISSUER)]

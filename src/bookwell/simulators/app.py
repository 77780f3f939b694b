"""All simulated libraries and a back office behind one address: `/library-2/…`, `/backoffice`, moods at `/control`."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bookwell.simulators.back_office import BackOffice
from bookwell.simulators.control import Control
from bookwell.simulators.daia import DaiaServer
from bookwell.simulators.http import Answer, Delivery, Request, json_answer
from bookwell.simulators.koha import KohaServer
from bookwell.simulators.library import SimulatedLibrary
from bookwell.simulators.moods import outage_of, spoil
from bookwell.simulators.paia import PaiaServer

__all__ = ["CREDENTIALS", "PATRON", "Simulators"]

CREDENTIALS = ("bookwell", "simulated")
"""User name and password, or client and secret, of the account that each library gave us."""
PATRON = "51"

_Protocol = Callable[[Request, list[str]], Answer]


@dataclass(frozen=True, slots=True)
class Simulators:
    """The application: three libraries and a back office with state of their own."""

    libraries: Mapping[str, SimulatedLibrary] = field(default_factory=lambda: _libraries())  # noqa: PLW0108 -- below
    back_office: BackOffice = field(default_factory=BackOffice)
    _protocols: dict[str, _Protocol] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._protocols["library-2"] = _gbv(self.libraries["library-2"], prefix="isbn:", page=20, is_difficult=False)
        self._protocols["library-3"] = _koha(self.libraries["library-3"])
        self._protocols["library-4"] = _gbv(self.libraries["library-4"], prefix="urn:isbn:", page=1, is_difficult=True)

    async def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        match request.segments:
            case [] | ["health", *_]:
                return json_answer({"status": "ok", "simulators": [at.name for at in self.libraries.values()]})
            case ["backoffice", *rest]:
                return await self.back_office.answer(request, rest)
            case ["control", "backoffice"]:
                return self.back_office.control(request)
            case ["control", *rest]:
                return Control(self.libraries).answer(request, rest)
            case [slug, *rest] if slug in self.libraries:
                return await self._as_it_feels(self.libraries[slug], request, rest)
        return json_answer({"error": "not_found"}, 404)

    async def _as_it_feels(self, library: SimulatedLibrary, request: Request, path: list[str]) -> Answer:
        """The protocol's answer, after what the library's mood makes of it."""
        traffic, operation = library.traffic, _operation(request.method, path)
        mood = library.mood_for(operation)
        traffic.total += 1
        traffic.by_operation[operation] += 1
        number = traffic.total
        traffic.in_flight += 1
        traffic.most_in_flight = max(traffic.most_in_flight, traffic.in_flight)
        try:
            await asyncio.sleep(mood.latency_ms / 1000)
            if down := outage_of(mood):
                return down
            if mood.fails(number):
                return json_answer({"error": "internal_error", "code": 500}, 500)
            answer = self._protocols[library.slug](request, path)
        finally:
            traffic.in_flight -= 1
        if mood.outage == "lost_answers":
            return Answer(503, delivery=Delivery.NEVER)
        return spoil(answer, mood.malformed) if mood.malformed else answer


def _libraries() -> dict[str, SimulatedLibrary]:
    libraries = [SimulatedLibrary(f"library {number}", PATRON, CREDENTIALS) for number in (2, 3, 4)]
    return {library.slug: library for library in libraries}


def _operation(method: str, path: list[str]) -> str:
    return f"{method} " + "/".join("*" if part.isdigit() else part for part in path)


def _gbv(library: SimulatedLibrary, *, prefix: str, page: int, is_difficult: bool) -> _Protocol:
    home = f"http://{library.slug}.example"
    daia = DaiaServer(library, prefix, home, page, tells_unknown=is_difficult)
    paia = PaiaServer(library, daia, asks_for_storage=is_difficult, is_terse=is_difficult)

    def answer(request: Request, path: list[str]) -> Answer:
        match path:
            case ["daia"]:
                return daia.answer(request)
            case ["paia", "auth", action]:
                return paia.authenticate(request, action)
            case ["paia", "core", patron]:
                return paia.serve(request, patron, "")
            case ["paia", "core", patron, action]:
                return paia.serve(request, patron, action)
        return json_answer({"error": "not_found", "code": 404}, 404)

    return answer


def _koha(library: SimulatedLibrary) -> _Protocol:
    server = KohaServer(library)

    def answer(request: Request, path: list[str]) -> Answer:
        match path:
            case ["api", "v1", *rest]:
                return server.answer(request, rest)
        return json_answer({"error": "Not found."}, 404)

    return answer

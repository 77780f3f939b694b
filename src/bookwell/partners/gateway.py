"""What one worker process keeps: the event loop, HTTP clients, the partners with their health, the answers."""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import httpx2

from bookwell.kit.errors import NotFound
from bookwell.kit.service_keys import service_key
from bookwell.partners.adapters.transport import BoundedTransport
from bookwell.partners.availability.answers import NO_SUCH_THING, Answers
from bookwell.partners.availability.cache import AnswerCache, ProcessCache, RedisCache
from bookwell.partners.availability.calls import LINES, Partner
from bookwell.partners.availability.gather import gather, nobody_asked
from bookwell.partners.availability.rules import Ages
from bookwell.partners.configuration import PartnerEntry
from bookwell.partners.library import Library, LibraryUnreachable, PassedOn
from bookwell.partners.loop import EventLoop
from bookwell.partners.reservations.holds import Holds, UnknownPartner
from bookwell.partners.settings import PartnersSettings

__all__ = ["BookUnknown", "Gateway"]

MakeClient = Callable[[int], httpx2.AsyncClient]
"""A client for one host, with so many connections."""

_SERVICE = "partners"
_LIBRARY_CONNECTIONS = 200
_IDLE_SECONDS = 20
_LONGEST_SECONDS, _CONNECT_SECONDS = 120, 5
_RESERVE_SHARE = 0.025
_LEAST_RESERVE_SECONDS = 0.02
_CHECK_SECONDS = 1.0
_LOOP_MARGIN_SECONDS = 1.0


class BookUnknown(NotFound):
    """The library has no book of this id."""

    code = "book.not_found"
    title = "No such book"


class Gateway:
    """Everything that requests use; made once in each process (see `loop.PerProcess`), closed never but by tests."""

    def __init__(
        self,
        settings: PartnersSettings,
        entries: Sequence[PartnerEntry],
        *,
        make_client: MakeClient | None = None,
    ) -> None:
        self._settings = settings
        self.loop = EventLoop()
        make = make_client or _client_maker()
        self._clients: list[httpx2.AsyncClient] = []
        self.partners = self.loop.call(lambda: [self._partner(entry, make) for entry in entries])
        client = self.loop.call(lambda: self._keep(make(_LIBRARY_CONNECTIONS)))
        self.library = Library(
            settings.library,
            client,
            public_url=settings.library_token_issuer,
            service_key=service_key(settings.shared_secret(), _SERVICE),
        )
        self.cache: AnswerCache = RedisCache(settings.redis_url) if settings.redis_url else ProcessCache()
        ages = Ages(settings.partners_fresh_seconds, settings.partners_stale_seconds, settings.partners_kept_seconds)
        self._answers = Answers(self.cache, self.loop, ages)
        self._by_name = {partner.name: partner for partner in self.partners}
        self.holds = Holds(self._by_name, self.loop, seconds=settings.partners_hold_ms / 1000)
        # Held back from the budget for what comes after the partners: the answer itself.
        budget = settings.budget_seconds
        self._seconds = budget - max(_LEAST_RESERVE_SECONDS, _RESERVE_SHARE * budget)

    def availability_of_book(self, book_id: int) -> list[dict[str, Any]]:
        """Each partner's state of one of our books.

        Raises:
            BookUnknown, LibraryUnreachable
        """
        deadline = time.monotonic() + self._seconds
        question = self.library.isbn_question(book_id, seconds=self._seconds)
        (told,) = self._answers.tell([question], deadline=deadline)
        if told.error == NO_SUCH_THING:
            raise BookUnknown
        if told.answer is None:
            raise LibraryUnreachable
        isbn = told.answer.content["isbn"]
        return nobody_asked(self.partners) if isbn is None else self._gather(self.partners, isbn, deadline)

    def availability_of_isbn(self, isbn: str, *, partner: str | None = None) -> list[dict[str, Any]]:
        """Each partner's state of an ISBN-13; where one is named nobody else is asked, or waited for.

        Raises:
            UnknownPartner
        """
        deadline = time.monotonic() + self._seconds
        if partner is None:
            return self._gather(self.partners, isbn, deadline)
        if partner not in self._by_name:
            raise UnknownPartner
        return self._gather([self._by_name[partner]], isbn, deadline)

    def _gather(self, partners: Sequence[Partner], isbn: str, deadline: float) -> list[dict[str, Any]]:
        return gather(partners, self._answers, isbn, deadline=deadline, budget_seconds=self._seconds)

    def place_reservation(self, body: bytes, headers: Mapping[str, str]) -> PassedOn:
        """Hand a reservation on to the library.

        Raises:
            LibraryUnreachable: whether or not it was placed is then not known.
        """
        seconds = self._settings.library_timeout_ms / 1000

        async def place() -> PassedOn:
            return await self.library.place_reservation(body, headers, seconds=seconds)

        try:
            return self.loop.run(place, seconds=seconds + _LOOP_MARGIN_SECONDS)
        except TimeoutError:
            raise LibraryUnreachable from None

    def check_library(self) -> None:
        """Whether the library answers; for health.

        Raises:
            LibraryUnreachable
        """

        async def check() -> None:
            await self.library.check(seconds=_CHECK_SECONDS)

        self.loop.run(check, seconds=_CHECK_SECONDS + _LOOP_MARGIN_SECONDS)

    def check_cache(self) -> None:
        """Whether Redis answers, where there is one; for health.

        Raises:
            RedisError
        """
        if isinstance(self.cache, RedisCache):
            self.cache.check()

    def close(self) -> None:
        """End connections and the loop."""
        for client in self._clients:
            self.loop.run(client.aclose)
        self.loop.close()

    def _partner(self, entry: PartnerEntry, make: MakeClient) -> Partner:
        client = self._keep(make(LINES * entry.rules.calls_at_once))
        return Partner(entry, entry.kind.build(entry.options, client))

    def _keep(self, client: httpx2.AsyncClient) -> httpx2.AsyncClient:
        self._clients.append(client)
        return client


def _client_maker() -> MakeClient:
    """Makes a client for each host: its pool looks at all of its connections for every request, hanging ones too."""
    verified = httpx2.create_ssl_context()  # costs more than everything else of a client

    def make(connections: int) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers={"User-Agent": f"Bookwell/{version('bookwell')}"},
            transport=BoundedTransport(tls=verified, connections=connections, idle_seconds=_IDLE_SECONDS),
            timeout=httpx2.Timeout(_LONGEST_SECONDS, connect=_CONNECT_SECONDS),
            follow_redirects=False,
            trust_env=False,
        )

    return make

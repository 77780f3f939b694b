"""Asks a DAIA server, and places holds through PAIA where there is an account."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import httpx2

from bookwell.contracts.partners import HoldRequest, HoldState
from bookwell.kit import clock
from bookwell.partners.adapters.daia.documents import DaiaAnswer, Document, availability_of, is_strange, matching
from bookwell.partners.adapters.daia.options import DaiaOptions
from bookwell.partners.adapters.daia.paia import PaiaHolds
from bookwell.partners.adapters.protocol import Availability, Failure, PartnerFailed, PartnerRefused, Refusal
from bookwell.partners.adapters.values import isbn_forms
from bookwell.partners.adapters.wire import Reply, Wire, read_as, with_query, within

__all__ = ["DaiaAdapter"]

_MAX_PAGES = 5


class DaiaAdapter:
    """See `protocol.Adapter`. Holds follow the limits that `PaiaHolds` tells."""

    def __init__(self, options: DaiaOptions, client: httpx2.AsyncClient) -> None:
        self._options = options
        self._zone = ZoneInfo(options.time_zone)
        self._wire = Wire(client, options)
        self._holds = PaiaHolds.of(options, self._wire)

    @property
    def takes_holds(self) -> bool:
        """Whether there is a PAIA account."""
        return self._holds is not None

    async def fetch_availability(self, isbn: str) -> Availability:
        """All documents that the partner has for the ISBN, in either of its forms."""
        with within(self._options.timeout_seconds):
            found = await self._documents(isbn)
        if is_strange(found):
            raise PartnerFailed(Failure.MALFORMED, detail="services that nobody knows")
        today = clock.now().astimezone(self._zone).date()
        return availability_of(found, today=today, zone=self._zone)

    async def place_hold(self, hold: HoldRequest) -> HoldState:
        """Request an edition of the book, those with free items first."""
        holds = self._account()
        with within(self._options.hold_timeout_seconds):
            found = await self._documents(hold.isbn)
            documents = [document for document in found if document.item]
            if not documents:  # servers may name what they do not have, without items
                raise PartnerRefused(Refusal.NOT_HELD)
            return await holds.place(hold, [document.id for document in self._freest_first(documents)])

    async def find_hold(self, ref: str) -> HoldState:
        """The account's own list tells."""
        holds = self._account()
        with within(self._options.hold_timeout_seconds):
            return await holds.find(ref)

    async def cancel_hold(self, ref: str) -> HoldState:
        """Cancel the request of an edition."""
        holds = self._account()
        with within(self._options.hold_timeout_seconds):
            return await holds.cancel(ref)

    def _account(self) -> PaiaHolds:
        if self._holds is None:
            raise PartnerRefused(Refusal.HOLDS_UNSUPPORTED)
        return self._holds

    def _freest_first(self, documents: Sequence[Document]) -> list[Document]:
        today = clock.now().date()
        return sorted(
            documents,
            key=lambda one: -(availability_of([one], today=today, zone=self._zone).copies_available or 0),
        )

    async def _documents(self, isbn: str) -> list[Document]:
        """The documents of an ISBN. A server may answer for a part of the ids and link to the rest.

        Raises:
            PartnerFailed: "malformed", too, where the partner tells of items, but of none that can be known as these.
        """
        identifiers = [self._options.id_prefix + form for form in isbn_forms(isbn)]
        arguments = {"id": "|".join(identifiers), "format": "json"}
        if self._options.patron_type is not None:
            arguments["patron-type"] = self._options.patron_type
        url = with_query(self._options.url, **arguments)
        told: list[Document] = []
        for _ in range(_MAX_PAGES):
            reply = await self._wire.call("GET", url, headers=self._authorization())
            told += _documents_of(reply)
            further = reply.next_url
            if further is None:
                break
            url = further
        found = matching(told, identifiers)
        if not found and any(document.item for document in told):
            raise PartnerFailed(Failure.MALFORMED, detail="documents that nobody asked for")
        return found

    def _authorization(self) -> dict[str, str]:
        token = self._options.access_token
        return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}


def _documents_of(reply: Reply) -> Sequence[Document]:
    if reply.status in {401, 403}:
        raise PartnerFailed(Failure.UNAUTHORIZED)
    if reply.status >= 300:
        raise PartnerFailed(Failure.REJECTED, detail=str(reply.status))
    return read_as(DaiaAnswer, reply.data).document

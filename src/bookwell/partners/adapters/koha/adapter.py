"""Asks a Koha for copies, and places holds for the one patron that we are there."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from bookwell.contracts.partners import HoldRequest, HoldState, HoldStatus
from bookwell.kit import clock
from bookwell.partners.adapters.koha.options import KohaOptions
from bookwell.partners.adapters.koha.records import (
    Biblio,
    Hold,
    Item,
    availability_of,
    carries,
    live_first,
    loan_of,
    marker_of,
    matching,
    state_of,
)
from bookwell.partners.adapters.koha.staff import KohaStaff, error_of
from bookwell.partners.adapters.protocol import (
    AdapterError,
    Availability,
    Failure,
    PartnerFailed,
    PartnerRefused,
    Refusal,
)
from bookwell.partners.adapters.values import hyphenated_middle, isbn_forms, shortened
from bookwell.partners.adapters.wire import Reply, Wire, read_as, within

__all__ = ["KohaAdapter"]

_MAX_RECORDS = 5
_PLACING_REFUSED = "hold cannot be placed"
_NOT_ALLOWED = "authorization failure"
"""What a Koha says to an account without the permission: nothing about the hold."""


class KohaAdapter:
    """See `protocol.Adapter`. A hold's ref is our reference, which its notes carry.

    Before placing, the patron's holds are searched for the reference, those that became loans too, so an attempt whose
    answer was lost is found again. One that was still running then can arrive later. It is a second hold then, and the
    next look at the reference keeps the more advanced, else the older, and deletes the other; or it makes Koha refuse
    the second, and is the hold.
    """

    def __init__(self, options: KohaOptions, client: httpx2.AsyncClient) -> None:
        self._options = options
        self._zone = ZoneInfo(options.time_zone)
        self._staff = KohaStaff(Wire(client, options), options)

    @property
    def takes_holds(self) -> bool:
        """Whether there is a patron to place them for."""
        return self._options.patron_id is not None

    async def fetch_availability(self, isbn: str) -> Availability:
        """The copies of all records with the ISBN, less those that are set aside or waited for."""
        items: list[Item] = []
        holds: list[Hold] = []
        with within(self._options.timeout_seconds):
            biblios = await self._biblios(isbn)
            for biblio in biblios:
                items += await self._staff.items(biblio.biblio_id)
                holds += await self._staff.holds_on(biblio.biblio_id)
        today = clock.now().astimezone(self._zone).date()
        return availability_of(items, holds, today=today, zone=self._zone, href=self._page_of(biblios))

    async def place_hold(self, hold: HoldRequest) -> HoldState:
        """Place a hold on the record with the ISBN, the one with copies in if there are several."""
        patron_id = self._patron()
        with within(self._options.hold_timeout_seconds):
            known = await self._known(patron_id, hold.reference)
            if known is not None:
                return state_of(known, hold.reference, self._zone)
            ended = await self._ended(patron_id, hold.reference)
            if ended is not None and ended.state is not HoldStatus.CANCELLED:
                return ended
            biblio = await self._best_biblio(hold.isbn)
            placed = await self._placed(patron_id, biblio, hold)
        return state_of(placed, hold.reference, self._zone)

    async def find_hold(self, ref: str) -> HoldState:
        """The patron's list tells; a hold leaves it when it ends, then old holds and loans do."""
        patron_id = self._patron()
        with within(self._options.hold_timeout_seconds):
            known = await self._known(patron_id, ref)
            ended = None if known else await self._ended(patron_id, ref)
        if known is not None:
            return state_of(known, ref, self._zone)
        return ended or HoldState(ref=ref, state=HoldStatus.UNKNOWN, reason="not_listed")

    async def cancel_hold(self, ref: str) -> HoldState:
        """Delete the hold, and with it any other one of the same reference."""
        patron_id = self._patron()
        with within(self._options.hold_timeout_seconds):
            live = [hold for hold in await self._holds_of(patron_id, ref) if hold.is_live]
            for hold in live:
                await self._delete(hold)
            ended = None if live else await self._ended(patron_id, ref)
        if ended is not None and ended.state is HoldStatus.BORROWED:
            raise PartnerRefused(Refusal.REFUSED, "borrowed")
        return HoldState(ref=ref, state=HoldStatus.CANCELLED)

    def _patron(self) -> int:
        if self._options.patron_id is None:
            raise PartnerRefused(Refusal.HOLDS_UNSUPPORTED)
        return self._options.patron_id

    async def _biblios(self, isbn: str) -> list[Biblio]:
        """Records with the ISBN: searched for in its newer form, else in the older one, else in both with hyphens."""
        for form in filter(None, (*isbn_forms(isbn), hyphenated_middle(isbn))):
            if found := matching(await self._staff.biblios(form), isbn):
                return found[:_MAX_RECORDS]
        return []

    async def _best_biblio(self, isbn: str) -> Biblio:
        biblios = await self._biblios(isbn)
        if not biblios:
            raise PartnerRefused(Refusal.NOT_HELD)
        if len(biblios) == 1:
            return biblios[0]
        copies_in = [sum(item.is_in for item in await self._staff.items(one.biblio_id)) for one in biblios]
        return biblios[copies_in.index(max(copies_in))]

    async def _placed(self, patron_id: int, biblio: Biblio, hold: HoldRequest) -> Hold:
        """A new hold, or that of an earlier attempt because of which Koha refuses it."""
        try:
            return await self._place(patron_id, biblio, hold)
        except PartnerRefused:
            known = await self._known(patron_id, hold.reference)
            if known is None:
                raise
            return known

    async def _place(self, patron_id: int, biblio: Biblio, hold: HoldRequest) -> Hold:
        wish: dict[str, Any] = {
            "patron_id": patron_id,
            "pickup_library_id": hold.pickup or self._options.pickup_library_id,
            "biblio_id": biblio.biblio_id,
            "notes": marker_of(hold.reference),
        }
        reply = await self._staff.call("POST", "/holds", wish)
        if reply.status >= 300:
            raise _refusal_of(reply)
        return read_as(Hold, reply.data)

    async def _holds_of(self, patron_id: int, reference: str) -> list[Hold]:
        listed = await self._staff.holds_of(patron_id, marker_of(reference))
        return live_first(hold for hold in listed if carries(hold, reference))

    async def _known(self, patron_id: int, reference: str) -> Hold | None:
        """The hold of a reference; further live ones are deleted, as far as possible."""
        found = await self._holds_of(patron_id, reference)
        await self._delete_all([hold for hold in found[1:] if hold.is_live])
        return found[0] if found else None

    async def _ended(self, patron_id: int, reference: str) -> HoldState | None:
        """What became of a reference's hold, as long as Koha keeps old holds: a loan, else that it was cancelled."""
        listed = await self._staff.old_holds_of(patron_id, marker_of(reference))
        old = [hold for hold in listed if carries(hold, reference)]
        fulfilled = [hold for hold in old if hold.is_fulfilled]
        if not fulfilled:
            is_cancelled = any(not hold.is_live for hold in old)
            return HoldState(ref=reference, state=HoldStatus.CANCELLED) if is_cancelled else None
        latest = max(fulfilled, key=lambda hold: hold.hold_id)
        checkouts = [] if latest.item_id is None else await self._staff.checkouts_of(patron_id, latest.item_id)
        return loan_of(latest, checkouts, reference, self._zone)

    async def _delete_all(self, superfluous: Sequence[Hold]) -> None:
        for hold in superfluous:
            with suppress(AdapterError):
                await self._delete(hold)

    async def _delete(self, hold: Hold) -> None:
        """Delete one; it may be gone already."""
        reply = await self._staff.call("DELETE", f"/holds/{hold.hold_id}")
        if reply.status == 403 and _NOT_ALLOWED in error_of(reply).lower():
            raise PartnerFailed(Failure.UNAUTHORIZED)
        if reply.status == 403:
            raise PartnerRefused(Refusal.REFUSED, shortened(error_of(reply)))
        if reply.status >= 300 and reply.status != 404:
            raise PartnerFailed(Failure.REJECTED, detail=str(reply.status))

    def _page_of(self, biblios: Sequence[Biblio]) -> str | None:
        page = self._options.catalogue_url
        return page.replace("{biblio_id}", str(biblios[0].biblio_id)) if page and biblios else None


def _refusal_of(reply: Reply) -> AdapterError:
    """Why a hold was not placed: its reader's affair, or a matter between the libraries."""
    words = error_of(reply)
    if reply.status == 403 and _PLACING_REFUSED in words.lower():
        reason = words.rpartition("Reason:")[2].strip() or words
        return PartnerRefused(
            Refusal.LIMIT_REACHED if "toomany" in reason.lower() else Refusal.REFUSED, shortened(reason)
        )
    if reply.status == 400 and "pickup" in words.lower():
        return PartnerRefused(Refusal.BAD_PICKUP, shortened(words))
    if reply.status == 404:
        return PartnerRefused(Refusal.NOT_HELD, shortened(words))
    return PartnerFailed(Failure.UNAUTHORIZED if reply.status == 403 else Failure.REJECTED, detail=shortened(words))

"""Holds in a PAIA account that all of our readers share."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from bookwell.contracts.partners import LONGEST_REF, HoldRequest, HoldState, HoldStatus
from bookwell.partners.adapters.daia.account import PaiaAccount
from bookwell.partners.adapters.daia.options import DaiaOptions
from bookwell.partners.adapters.protocol import Failure, PartnerFailed, PartnerRefused, Refusal
from bookwell.partners.adapters.values import (
    Answer,
    Listed,
    Many,
    Text,
    instant_of,
    none_if_blank,
    shortened,
    whole_day_of,
)
from bookwell.partners.adapters.wire import Wire, read_as

__all__ = ["PaiaHolds", "edition_of", "ref_of"]

_STORAGE = "http://purl.org/ontology/paia#StorageCondition"
_STATES = {
    0: HoldStatus.CANCELLED,
    1: HoldStatus.ACCEPTED,
    2: HoldStatus.ACCEPTED,
    3: HoldStatus.BORROWED,
    4: HoldStatus.READY,
    5: HoldStatus.REFUSED,
}
_BEST_FIRST = (4, 2, 1, 3, 5, 0)
_REQUESTED = frozenset({1, 2, 4})


class _Option(Answer):
    id: str = Field(min_length=1)


class _Choice(Answer):
    option: Many[_Option] = []
    default: Many[str] = []


class Entry(Answer):
    """One document of the account. An absent time is not known; times may be days."""

    status: Annotated[int, Field(ge=0, le=5)]
    item: Text = None
    edition: Text = None
    requested: Text = None
    endtime: Text = None
    error: Text = None
    condition: Annotated[dict[str, _Choice] | None, BeforeValidator(none_if_blank)] = None

    def concerns(self, edition: str) -> bool:
        """Whether it is about an edition: once it is on its way it may name a copy first."""
        return edition in {self.edition, self.requested, self.item}


class Entries(Answer):
    """The account's list, or the answers to what was asked. Without a list nothing is said: holds may well live."""

    doc: Listed[Entry]


class PaiaHolds:
    """Places, finds and cancels requests of editions.

    PAIA has no place for a reference of ours, so an entry is known by its edition. Before requesting, the account's
    list is read: an open entry for the edition that is none of the caller's `other_refs` is the hold of an attempt
    whose answer was lost, and is taken for it. So nothing is placed twice, at the price of one open hold an edition:
    the next reader's is refused ("already_taken") until it has ended.

    The limit: a request that the partner works off only after the list was read again becomes a second one, unless
    the partner refuses that. The caller has one hold of a book placed at a time, and none while one is to be cancelled:
    else two reservations would get the same entry.
    """

    def __init__(self, account: PaiaAccount, *, zone: ZoneInfo, pickup: str | None) -> None:
        self._account = account
        self._zone = zone
        self._pickup = pickup

    @classmethod
    def of(cls, options: DaiaOptions, wire: Wire) -> Self | None:
        """The holds of a configured account, None without one."""
        account = PaiaAccount.of(options, wire)
        return None if account is None else cls(account, zone=ZoneInfo(options.time_zone), pickup=options.pickup)

    async def place(self, hold: HoldRequest, editions: Sequence[str]) -> HoldState:
        """Request the first of the editions that is not another reader's already."""
        nameable = [edition for edition in editions if len(ref_of(edition)) <= LONGEST_REF]
        if not nameable:
            raise PartnerRefused(Refusal.REFUSED)
        free = [edition for edition in nameable if ref_of(edition) not in hold.other_refs]
        if not free:
            raise PartnerRefused(Refusal.ALREADY_TAKEN)
        if (known := await self._known(free)) is not None:
            return known
        try:
            return await self._request(free[0], hold.pickup or self._pickup)
        except PartnerRefused:
            known = await self._known(free)  # an earlier attempt may have arrived meanwhile
            if known is None:
                raise
            return known

    async def find(self, ref: str) -> HoldState:
        """The state of the edition's entry; `unknown` when there is none."""
        edition = edition_of(ref)
        entry = _best(await self._listed(), edition)
        if entry is None:
            return HoldState(ref=ref, state=HoldStatus.UNKNOWN, reason="not_listed")
        return self._state(entry, edition)

    async def cancel(self, ref: str) -> HoldState:
        """Cancel the edition's request, and with it any other one: a first attempt's that was worked off late.

        Raises:
            PartnerRefused: if the partner does not, or the book is borrowed by now.
        """
        edition = edition_of(ref)
        listed = await self._listed()
        best = _best(listed, edition)
        if best is None:
            return HoldState(ref=ref, state=HoldStatus.CANCELLED)
        if best.status == 3:
            raise PartnerRefused(Refusal.REFUSED, "borrowed")
        if best.status in _REQUESTED:
            error = (await self._ask("cancel", _wish_of(best, edition))).error
            others = [one for one in listed if one is not best and one.concerns(edition) and one.status in _REQUESTED]
            for other in others:  # the partner may have cancelled them with the first, and says no then
                await self._ask("cancel", _wish_of(other, edition))
            if error is not None:
                raise PartnerRefused(Refusal.REFUSED, shortened(error))
        return HoldState(ref=ref, state=HoldStatus.CANCELLED)

    async def _known(self, editions: Sequence[str]) -> HoldState | None:
        """The open hold of an earlier attempt."""
        listed = [entry for entry in await self._listed() if entry.status in _REQUESTED]
        found = ((edition, _best(listed, edition)) for edition in editions)
        return next((self._state(entry, edition) for edition, entry in found if entry is not None), None)

    async def _request(self, edition: str, pickup: str | None) -> HoldState:
        """Request, and once more with a pickup place where the partner asks for one."""
        answer = await self._ask("request", {"edition": edition})
        if answer.condition:
            confirm = {_STORAGE: [_place(answer.condition, pickup)]}
            answer = await self._ask("request", {"edition": edition, "confirm": confirm})
        if answer.error is not None or answer.condition:
            raise PartnerRefused(_refusal_of(answer.error), shortened(answer.error))
        return self._state(answer, edition)

    async def _listed(self) -> Sequence[Entry]:
        return read_as(Entries, await self._account.get("items")).doc

    async def _ask(self, action: str, wish: dict[str, Any]) -> Entry:
        answers = read_as(Entries, _with_status(await self._account.post(action, {"doc": [wish]}))).doc
        if len(answers) != 1:
            raise PartnerFailed(Failure.MALFORMED)
        return answers[0]

    def _state(self, entry: Entry, edition: str) -> HoldState:
        state, at, on = _STATES[entry.status], instant_of(entry.endtime, self._zone), whole_day_of(entry.endtime)
        ends: dict[str, Any] = {}
        if state is HoldStatus.READY:
            ends = {"pickup_deadline_at": at, "pickup_deadline_on": on}
        elif state is HoldStatus.BORROWED:
            ends = {"due_at": at, "due_on": on}
        return HoldState(ref=ref_of(edition), state=state, reason=shortened(entry.error) or None, **ends)


def ref_of(edition: str) -> str:
    """An edition's URI in letters that a path may have."""
    return base64.urlsafe_b64encode(edition.encode()).decode().rstrip("=")


def edition_of(ref: str) -> str:
    """The edition's URI behind a ref; of a ref that is none of ours something that no partner lists."""
    try:
        return base64.b64decode(ref + "=" * (-len(ref) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return f"invalid:{ref}"


def _best(entries: Iterable[Entry], edition: str) -> Entry | None:
    concerned = [entry for entry in entries if entry.concerns(edition)]
    return min(concerned, key=lambda entry: _BEST_FIRST.index(entry.status), default=None)


def _wish_of(entry: Entry, edition: str) -> dict[str, str]:
    """How an entry is named in what is asked about it."""
    return {"edition": entry.edition} if entry.edition else {"item": entry.item or edition}


def _with_status(data: Any) -> Any:
    """An answer in which documents with an error may lack a status: it is none."""
    match data:
        case {"doc": [{"error": str()} as only]} if "status" not in only:
            return {"doc": [{**only, "status": 0}]}
    return data


def _place(condition: dict[str, _Choice], wanted: str | None) -> str:
    """Which of the offered pickup places to confirm: the wanted one, else the partner's default, else the first.

    Raises:
        PartnerRefused: for conditions that are no choice of place, such as a fee.
    """
    choice = condition.get(_STORAGE)
    offered = [option.id for option in choice.option] if choice else []
    if choice is None or len(condition) > 1 or not offered:
        raise PartnerRefused(Refusal.REFUSED, "The partner has conditions that nobody agreed to.")
    return next((place for place in (wanted, *choice.default) if place in offered), offered[0])


def _refusal_of(error: str | None) -> Refusal:
    words = (error or "").lower()
    return Refusal.LIMIT_REACHED if "maximum" in words or "limit" in words else Refusal.REFUSED

"""Koha's records, items and holds, and what they mean for somebody who wants to borrow. No I/O."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field

from bookwell.contracts.partners import HoldState, HoldStatus, PartnerState
from bookwell.partners.adapters.protocol import Availability, Failure, PartnerFailed
from bookwell.partners.adapters.values import Answer, Text, day_of, instant_of, isbn_forms, isbns_in, whole_day_of

__all__ = [
    "Biblio",
    "Checkout",
    "Hold",
    "Item",
    "availability_of",
    "carries",
    "live_first",
    "loan_of",
    "marker_of",
    "matching",
    "state_of",
]

Number = Annotated[int, Field(ge=1, lt=2**63)]
Code = Annotated[int, Field(ge=-(2**31), lt=2**31)]
"""A code of the library's own; 0 and null mean that nothing is the matter."""

_STATES = {None: HoldStatus.ACCEPTED, "T": HoldStatus.ACCEPTED, "P": HoldStatus.ACCEPTED, "W": HoldStatus.READY}
_MOST_ADVANCED_FIRST = ("W", "T", "P", None)
_FULFILLED = "F"


class Biblio(Answer):
    """A record; `isbn` is what was typed, several and with remarks."""

    biblio_id: Number
    isbn: Text = None


class Item(Answer):
    """A copy. `checked_out_date` is the day on which it is due, in spite of its name."""

    item_id: Number
    not_for_loan_status: Code | None = None
    lost_status: Code | None = None
    withdrawn: Code | None = None
    damaged_status: Code | None = None
    restricted_status: Code | None = None
    checked_out_date: Text = None

    @property
    def can_be_lent(self) -> bool:
        """Now or later; negative `not_for_loan_status` is on order. Koha lends nothing that is restricted."""
        is_set_apart = self.lost_status or self.withdrawn or self.damaged_status or self.restricted_status
        return not (is_set_apart or (self.not_for_loan_status or 0) > 0)

    @property
    def is_in(self) -> bool:
        """On its shelf, as far as the item alone tells: it may wait for a reader or be in transit to one."""
        return self.can_be_lent and not self.not_for_loan_status and self.checked_out_date is None


class Hold(Answer):
    """A hold; `status` is null while it waits for a copy, W waiting for pickup, T in transit, P in processing.

    Among the old ones F is one whose copy was lent.
    """

    hold_id: Number
    biblio_id: Number | None = None
    item_id: Number | None = None
    status: Text = None
    expiration_date: Text = None
    cancellation_date: Text = None
    notes: Text = None
    suspended: bool | int | None = None

    @property
    def is_live(self) -> bool:
        """Whether it was not cancelled."""
        return self.cancellation_date is None

    @property
    def is_waiting(self) -> bool:
        """Whether the next copy is for it: not before a suspension ends."""
        return self.is_live and self.status is None and not self.suspended

    @property
    def is_fulfilled(self) -> bool:
        """Whether its copy was lent."""
        return self.is_live and self.status == _FULFILLED


class Checkout(Answer):
    """A loan that has not ended."""

    item_id: Number | None = None
    due_date: Text = None


def matching(biblios: Iterable[Biblio], isbn: str) -> list[Biblio]:
    """The records that have this ISBN, in either form, whole."""
    forms = set(isbn_forms(isbn))
    return [biblio for biblio in biblios if forms & isbns_in(biblio.isbn)]


def availability_of(
    items: Sequence[Item], holds: Sequence[Hold], *, today: dt.date, zone: ZoneInfo, href: str | None
) -> Availability:
    """A copy is available if it is in, set aside for nobody, and not the next one for somebody who waits.

    Raises:
        PartnerFailed: "malformed", for a hold in a status that Koha does not have: nobody knows if it takes a copy.
    """
    live = [hold for hold in holds if hold.is_live]
    if any(hold.status not in _STATES for hold in live):
        raise PartnerFailed(Failure.MALFORMED, detail="a status that Koha does not have")
    set_aside = {hold.item_id for hold in live if hold.status is not None}
    waiting = sum(hold.is_waiting for hold in live)
    on_shelf = sum(item.is_in and item.item_id not in set_aside for item in items)
    free = max(0, on_shelf - waiting)
    out = [item.checked_out_date for item in items if item.can_be_lent]
    days = [day for text in out if (day := day_of(text, zone)) is not None and day >= today]
    return Availability(
        state=PartnerState.AVAILABLE if free else PartnerState.UNAVAILABLE,
        copies_available=free,
        queue=waiting,
        expected=min(days, default=None),
        href=href,
    )


def marker_of(reference: str) -> str:
    """How our reference stands in a hold's notes."""
    return f"[{reference}]"


def carries(hold: Hold, reference: str) -> bool:
    """Whether a hold is the one of this reference; staff may have added to the notes."""
    return marker_of(reference) in (hold.notes or "")


def live_first(holds: Iterable[Hold]) -> list[Hold]:
    """Holds of one reference: those not cancelled first, the most advanced and oldest of them before the others."""

    def rank(hold: Hold) -> tuple[bool, int, int]:
        known = hold.status in _MOST_ADVANCED_FIRST
        return not hold.is_live, _MOST_ADVANCED_FIRST.index(hold.status) if known else 9, hold.hold_id

    return sorted(holds, key=rank)


def loan_of(hold: Hold, checkouts: Iterable[Checkout], ref: str, zone: ZoneInfo) -> HoldState:
    """What became of a fulfilled hold: its copy is among the patron's loans, or it is back."""
    loan = next((one for one in checkouts if one.item_id is not None and one.item_id == hold.item_id), None)
    if loan is None:
        return HoldState(ref=ref, state=HoldStatus.RETURNED)
    due_at, due_on = instant_of(loan.due_date, zone), whole_day_of(loan.due_date)
    return HoldState(ref=ref, state=HoldStatus.BORROWED, due_at=due_at, due_on=due_on)


def state_of(hold: Hold, ref: str, zone: ZoneInfo) -> HoldState:
    """A hold in our words.

    Raises:
        PartnerFailed: "malformed", for a status that Koha does not have.
    """
    if not hold.is_live:
        return HoldState(ref=ref, state=HoldStatus.CANCELLED)
    if hold.status not in _STATES:
        raise PartnerFailed(Failure.MALFORMED)
    state = _STATES[hold.status]
    last = hold.expiration_date if state is HoldStatus.READY else None
    deadline_at, deadline_on = instant_of(last, zone), whole_day_of(last)
    return HoldState(ref=ref, state=state, pickup_deadline_at=deadline_at, pickup_deadline_on=deadline_on)

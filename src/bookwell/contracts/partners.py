"""What the library and the partners service tell each other about books and holds in other libraries.

`reference` is the library's own name of a reservation (`reservation:17`); `ref` is the partners service's name of the
hold that it placed, opaque to everybody else. Readers ignore fields that they do not know.
"""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LONGEST_REF", "HoldRequest", "HoldState", "HoldStatus", "PartnerAvailability", "PartnerState", "Reference"]

LONGEST_REF = 500

Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9:._-]{0,79}$")]
"""No blanks, brackets or slashes: it travels in notes and paths."""


class _Contract(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PartnerState(StrEnum):
    """Whether a partner could lend a copy of the book now."""

    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


class PartnerAvailability(_Contract):
    """One partner's answer about one book.

    `fetched_at` says when the partner said so, None when it never did; `error` is the code of the failure that makes
    the state unknown, or old. `expected` is the day on which the first copy should be back, `queue` how many wait.
    """

    name: str
    state: PartnerState
    copies_available: int | None = None
    queue: int | None = None
    expected: dt.date | None = None
    href: str | None = None
    fetched_at: dt.datetime | None = None
    from_cache: bool = False
    error: str | None = None


class HoldStatus(StrEnum):
    """How far a hold at a partner is; `unknown`: the partner does not list it (any more)."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    READY = "ready"
    BORROWED = "borrowed"
    RETURNED = "returned"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class HoldRequest(_Contract):
    """Place one hold for a reservation: sent twice with one `reference` it gives the same hold.

    `other_refs` are the refs of the caller's other open holds for this book at this partner: a protocol that cannot
    carry our reference needs them to tell whose hold is whose. `pickup` is a place in the partner's own words.
    """

    reference: Reference
    isbn: Annotated[str, Field(pattern=r"^97[89][0-9]{10}$")]
    pickup: Annotated[str, Field(max_length=200)] | None = None
    other_refs: Annotated[tuple[Annotated[str, Field(max_length=LONGEST_REF)], ...], Field(max_length=100)] = ()


class HoldState(_Contract):
    """A hold as its partner tells it. `reason` is a code, or the partner's own words when it refused.

    A deadline that is a day without an hour also comes as that day: its last second at the partner is another day's at
    places with another time.
    """

    ref: str
    state: HoldStatus
    reason: str | None = None
    pickup_deadline_at: dt.datetime | None = None
    pickup_deadline_on: dt.date | None = None
    due_at: dt.datetime | None = None
    due_on: dt.date | None = None

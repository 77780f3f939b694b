"""What tables and a restaurant's back office say to each other: an event for every version of a booking, and decisions.

Events are the `data` of signed webhooks (`contracts.webhooks.WebhookBody`) and of the feed's items alike.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MOST_BOOKINGS", "BookedTable", "BookingEvent", "DecisionRequest"]

MOST_BOOKINGS = 2**63 - 1
"""No id or version is greater."""

_Number = Annotated[int, Field(ge=1, le=MOST_BOOKINGS)]


class BookedTable(BaseModel):
    """The table as it was then."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int
    name: str
    table_type: str
    seats: int


class BookingEvent(BaseModel):
    """A booking at one of its versions. Instants are in UTC; `price` is an amount, as in 25.0 or 24.99.

    `decide_by` is until when an order waits, `slot_taken` says that its table went to somebody else meanwhile.
    `by` is who brought it to this version: guest, staff, back_office or system.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    booking_id: int
    version: int
    state: str
    table: BookedTable
    starts_at: dt.datetime
    ends_at: dt.datetime
    time_zone: str
    party_size: int
    name: str
    email: str
    phone: str
    comment: str
    price: float
    decide_by: dt.datetime | None
    slot_taken: bool
    reason: str
    by: str


class DecisionRequest(BaseModel):
    """What an employee decided, on which `version` of the order; `backoffice_ref` is the back office's own number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    booking_id: _Number
    decision: Literal["confirm", "decline"]
    version: _Number
    reason: str = Field(default="", max_length=500)
    backoffice_ref: str = Field(default="", max_length=200)

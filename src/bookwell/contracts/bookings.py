"""What the tables service tells of a booking: facts of a notice, fixed when the change was committed."""

import datetime as dt

from pydantic import BaseModel, ConfigDict

__all__ = ["BookingFacts", "FreeTable"]


class FreeTable(BaseModel):
    """A table that was free for the same time when the message was written; `price` in hundredths."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    table_id: int
    name: str
    table_type: str
    seats: int
    price: int


class BookingFacts(BaseModel):
    """A booking as it was after the change. Instants are in UTC and told in `time_zone`; `price` in hundredths.

    `ended_by` says who cancelled (`guest`, `staff`, `system`), `decide_by` until when an order waits.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    booking_id: int
    state: str
    restaurant: str
    table: str
    table_type: str
    party_size: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    time_zone: str
    price: int
    decide_by: dt.datetime | None = None
    cancel_url: str = ""
    booking_url: str = ""
    reason: str = ""
    ended_by: str = ""
    alternatives: tuple[FreeTable, ...] = ()

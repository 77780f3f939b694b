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

    `ended_by` says who ended it (`guest`, `staff`, `back_office`, `system`), `decide_by` until when an order waits.
    `was_confirmed`: the guest has been told so before, and may have a calendar entry. What was changed has its former
    place as `previous_…`. `guest` and `board_url` are for staff. The message's aggregate version is the calendar's
    sequence.
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
    board_url: str = ""
    guest: str = ""
    reason: str = ""
    ended_by: str = ""
    was_confirmed: bool = False
    previous_table: str = ""
    previous_starts_at: dt.datetime | None = None
    previous_ends_at: dt.datetime | None = None
    alternatives: tuple[FreeTable, ...] = ()

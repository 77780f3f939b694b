"""Bookings as guests and as staff see them."""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, Field, WithJsonSchema

from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings.rules import State
from bookwell.tables.floor.rules import TableType

__all__ = ["BookingOut", "GuestBookingOut", "guest_view", "staff_view"]


class GuestBookingOut(BaseModel):
    """A booking, or the order that it still is; instants in UTC, to be shown in `time_zone`."""

    id: int
    state: State
    table_id: int
    table: str = Field(description="The table's name")
    table_type: TableType
    party_size: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    time_zone: str
    price: Annotated[float, WithJsonSchema({"type": "number", "description": "As it was when the order was made"})]
    decide_by: dt.datetime | None = Field(description="Until when an order waits for a decision")
    name: str
    reason: str = Field(description="What staff said about its last change")


class BookingOut(GuestBookingOut):
    """A booking as staff see it."""

    version: int
    slot_taken: bool = Field(description="The order waits, but its table is not free any more")
    email: str
    phone: str
    comment: str
    locale: str
    made_by: str
    made_at: dt.datetime
    backoffice_ref: str


def guest_view(booked: Any) -> dict[str, Any]:
    """A booking with its table in the shape of `GuestBookingOut`, for `answers.json_answer`."""
    return {
        "id": booked.id,
        "state": booked.state,
        "table_id": booked.table_id,
        "table": booked.table_name,
        "table_type": booked.table_type,
        "party_size": booked.party_size,
        "starts_at": instant_at(booked.starts_at),
        "ends_at": instant_at(booked.ends_at),
        "time_zone": booked.time_zone,
        "price": booked.price,
        "decide_by": None if booked.decide_by is None else instant_at(booked.decide_by),
        "name": booked.name,
        "reason": booked.reason,
    }


def staff_view(booked: Any) -> dict[str, Any]:
    """The same in the shape of `BookingOut`."""
    told = ("version", "slot_taken", "email", "phone", "comment", "locale", "made_by", "backoffice_ref")
    seen = {name: getattr(booked, name) for name in told}
    return guest_view(booked) | seen | {"made_at": instant_at(booked.made_at)}

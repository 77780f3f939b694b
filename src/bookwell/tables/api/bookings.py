"""Staff make bookings, decide orders, and say what became of them."""

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.idempotency import Answer
from bookwell.kit.request_types import Id, Moment, StrictBody
from bookwell.tables.api.access import Caller, Staff
from bookwell.tables.api.answers import json_answer, respond_in_transaction
from bookwell.tables.api.contacts import guest_locale
from bookwell.tables.api.order_parameters import BookTable, order_request
from bookwell.tables.api.shapes import BookingOut, staff_view
from bookwell.tables.api.types import Duration
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services import deciding, ending, moving, placing
from bookwell.tables.site import Site, SiteDep

__all__ = ["router"]

router = APIRouter(tags=["bookings"])

_REPEATABLE = {"x-idempotent": True}
_Reason = Annotated[str, Field(max_length=1000)]


class Ending(StrictBody):
    """A booking, and why; the guest is told."""

    id: Id
    reason: _Reason = ""


class Declining(Ending):
    """An order; or a confirmed booking, with all the orders that it leaves without their table."""

    all_taken: bool = Field(default=False, description="`id` is a confirmed booking; decline all that it rules out")


class Moving(StrictBody):
    """A booking, and where or when it is to be; what is left out stays."""

    id: Id
    table_id: Id | None = None
    starts_at: Moment | None = Field(default=None, description="Without an offset the restaurant's time")
    duration: Duration | None = None

    @model_validator(mode="after")
    def _check_change(self) -> Self:
        if self.table_id is None and self.starts_at is None and self.duration is None:
            raise ValueError("table_id, starts_at or duration is needed")
        return self


class Marking(StrictBody):
    """A booking, and what became of its guests."""

    id: Id
    state: Literal["seated", "completed", "no_show"]
    reason: _Reason = ""


class DeclinedOut(BaseModel):
    """The orders that were declined."""

    declined: list[BookingOut]


@router.post("/api/admin/set_booking/", status_code=201, response_model=BookingOut, openapi_extra=_REPEATABLE)
def set_booking(
    request: Request, site: SiteDep, caller: Staff, wanted: Annotated[BookTable, parameters(BookTable)]
) -> Response:
    """Book a table for somebody who telephones or stands at the door: confirmed at once, beyond the guests' limits."""
    now = clock.now()
    locale = guest_locale(request, wanted.locale)
    order = order_request(wanted, locale=locale)

    def work(connection: Connection) -> Answer:
        booked = placing.set_booking(connection, request=order, actor=caller.actor, public_url=site.public_url, now=now)
        return _one(booked, status=201)

    return respond_in_transaction(request, site, work, caller=caller.key)


@router.post("/api/admin/accept_booking/", response_model=BookingOut, openapi_extra=_REPEATABLE)
def accept_booking(
    request: Request, site: SiteDep, caller: Staff, wanted: Annotated[Ending, parameters(Ending)]
) -> Response:
    """Confirm an order: from now on nobody else has its table then. A table that is taken answers what is free."""

    def work(connection: Connection) -> Answer:
        return _one(deciding.accept_booking(connection, **_told(site, caller, wanted)))

    return respond_in_transaction(request, site, work, caller=caller.key)


@router.post("/api/admin/decline_booking/", response_model=BookingOut | DeclinedOut, openapi_extra=_REPEATABLE)
def decline_booking(
    request: Request, site: SiteDep, caller: Staff, wanted: Annotated[Declining, parameters(Declining)]
) -> Response:
    """Decline an order; or with `all_taken` every order that a confirmed booking leaves without its table."""

    def work(connection: Connection) -> Answer:
        told = _told(site, caller, wanted)
        if not wanted.all_taken:
            return _one(deciding.decline_booking(connection, **told))
        declined = deciding.decline_all_taken(connection, **told)
        return json_answer({"declined": [staff_view(each) for each in declined]})

    return respond_in_transaction(request, site, work, caller=caller.key)


@router.post("/api/admin/cancel_booking/", response_model=BookingOut, openapi_extra=_REPEATABLE)
def cancel_booking(
    request: Request, site: SiteDep, caller: Staff, wanted: Annotated[Ending, parameters(Ending)]
) -> Response:
    """Cancel an order or a booking."""

    def work(connection: Connection) -> Answer:
        return _one(ending.cancel_booking(connection, **_told(site, caller, wanted)))

    return respond_in_transaction(request, site, work, caller=caller.key)


@router.post("/api/admin/move_booking/", response_model=BookingOut, openapi_extra=_REPEATABLE)
def move_booking(
    request: Request, site: SiteDep, caller: Staff, wanted: Annotated[Moving, parameters(Moving)]
) -> Response:
    """Give an order or a booking another table, time or length; it keeps its price, and the guest is told."""
    place: dict[str, Any] = {"table_id": wanted.table_id, "starts_at": wanted.starts_at, "minutes": wanted.duration}
    who: dict[str, Any] = {"actor": caller.actor, "public_url": site.public_url, "now": clock.now()}

    def work(connection: Connection) -> Answer:
        moved = moving.move_booking(connection, booking_id=wanted.id, **place, **who)
        return _one(moved)

    return respond_in_transaction(request, site, work, caller=caller.key)


@router.post("/api/admin/mark_booking/", response_model=BookingOut, openapi_extra=_REPEATABLE)
def mark_booking(
    request: Request, site: SiteDep, caller: Staff, wanted: Annotated[Marking, parameters(Marking)]
) -> Response:
    """Say that the guests sit, have gone, or never came."""
    told: dict[str, Any] = {"actor": caller.actor, "now": clock.now(), "reason": wanted.reason}

    def work(connection: Connection) -> Answer:
        return _one(ending.mark_booking(connection, booking_id=wanted.id, state=State(wanted.state), **told))

    return respond_in_transaction(request, site, work, caller=caller.key)


def _told(site: Site, caller: Caller, wanted: Ending) -> dict[str, Any]:
    return {
        "booking_id": wanted.id,
        "actor": caller.actor,
        "public_url": site.public_url,
        "now": clock.now(),
        "reason": wanted.reason,
    }


def _one(booked: Any, *, status: int = 200) -> Answer:
    return json_answer(staff_view(booked), status=status)

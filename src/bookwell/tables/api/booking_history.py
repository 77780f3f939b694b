"""How a booking came to be as it is."""

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.idempotency import Answer
from bookwell.kit.outbox.rules import instant_at
from bookwell.kit.request_types import Id, StrictBody
from bookwell.tables.api.access import staff
from bookwell.tables.api.answers import json_answer, response_of
from bookwell.tables.api.shapes import BookingOut, staff_view
from bookwell.tables.bookings.queries import get_booking, list_steps
from bookwell.tables.bookings.rules import State
from bookwell.tables.site import SiteDep

__all__ = ["router"]

router = APIRouter(tags=["bookings"])


class HistoryQuery(StrictBody):
    """Whose history."""

    id: Id


class StepOut(BaseModel):
    """One change of a booking."""

    version: int = Field(description="The one that the change made")
    at: dt.datetime
    action: str = Field(description="What was done: `ordered`, `set` by staff, `moved`, or the state that it brought")
    state: State = Field(description="Where the booking stood then")
    by: str = Field(description="`guest`, `staff:7`, `back_office` or `system`")
    reason: str = Field(description="What was said about it; nothing once the guest's data are forgotten")


class HistoryOut(BaseModel):
    """A booking, and every change of it, the first one first."""

    booking: BookingOut
    steps: list[StepOut]


@router.get(
    "/api/admin/view_booking_history/", response_model=HistoryOut, responses={404: {}}, dependencies=[Depends(staff)]
)
def view_booking_history(site: SiteDep, wanted: Annotated[HistoryQuery, parameters(HistoryQuery)]) -> Response:
    """Who changed an order or a booking, when and why, whatever became of it."""

    def work(connection: Connection) -> Answer:
        booked = get_booking(connection, wanted.id)
        steps = [_step_out(each) for each in list_steps(connection, booked)]
        return json_answer({"booking": staff_view(booked), "steps": steps})

    return response_of(site.database.read(work))


def _step_out(step: Any) -> dict[str, Any]:
    told = {name: getattr(step, name) for name in ("version", "action", "state", "reason")}
    return told | {"at": instant_at(step.at), "by": step.actor}

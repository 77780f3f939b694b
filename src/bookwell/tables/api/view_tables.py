"""What guests may choose from."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Self

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from sqlalchemy import Connection

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.request_types import Moment, StrictBody
from bookwell.tables.api.answers import NOT_MODIFIED, json_answer, response_if_new
from bookwell.tables.api.types import Duration, Price, TableOut, table_out
from bookwell.tables.floor.queries import DiningTable, Wish, get_house, list_tables
from bookwell.tables.floor.rules import FOREVER, TableType, check_period, instant_of, is_open, slot_minutes
from bookwell.tables.site import SiteDep

__all__ = ["TableFilter", "router"]

router = APIRouter(tags=["guests"])


class TableFilter(StrictBody):
    """Which tables; all that can be booked without any of these."""

    table_type: TableType | None = None
    seats: int = Field(default=1, ge=1, le=1000, description="At least")
    price_min: Price | None = None
    price_max: Price | None = None
    starts_at: Moment | None = Field(default=None, description="Free then; without an offset the restaurant's time")
    duration: Duration | None = Field(default=None, description="Minutes; usual for so many people when left out")

    @model_validator(mode="after")
    def _check_duration(self) -> Self:
        if self.duration is not None and self.starts_at is None:
            raise ValueError("duration needs starts_at")
        return self


@router.get("/api/customer/view_tables/", response_model=list[TableOut], responses={**NOT_MODIFIED})
def view_tables(request: Request, site: SiteDep, wanted: Annotated[TableFilter, parameters(TableFilter)]) -> Response:
    """Tables that can be booked, the smallest fit first; with a time only those that are free then.

    Outside of the opening hours none is. A table that is closed for good is never listed.
    """
    now = clock.now()
    found = site.database.read(lambda connection: _find(connection, wanted, now))
    answer = json_answer([table_out(table) for table in found])
    return response_if_new(request, answer, cache_control="public, no-cache")


def _find(connection: Connection, wanted: TableFilter, now: dt.datetime) -> Sequence[DiningTable]:
    wish = Wish(wanted.table_type, wanted.seats, wanted.price_min, wanted.price_max)
    if wanted.starts_at is None:
        return list_tables(connection, wish, now=now)
    house = get_house(connection)
    starts_at = instant_of(wanted.starts_at, house.zone)
    minutes = wanted.duration if wanted.duration is not None else slot_minutes(house, wanted.seats)
    check_period(starts_at, FOREVER)
    ends_at = starts_at + dt.timedelta(minutes=minutes)
    if not is_open(house, starts_at, ends_at):
        return []
    return list_tables(connection, replace(wish, starts_at=starts_at, ends_at=ends_at + house.buffer), now=now)

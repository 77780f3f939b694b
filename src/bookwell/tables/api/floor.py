"""The floor, for who administers it: tables, prices, closures."""

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Self

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints, model_validator
from sqlalchemy import Connection

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.idempotency import Answer
from bookwell.kit.outbox.rules import instant_at
from bookwell.kit.request_types import Id, Moment, StrictBody
from bookwell.tables.api.access import Caller, Staff
from bookwell.tables.api.answers import json_answer, respond_in_transaction
from bookwell.tables.api.hits import DryRun, HitsOut, hits_out
from bookwell.tables.api.types import Price, TableOut, table_out
from bookwell.tables.bookings.services import closing
from bookwell.tables.floor.rules import FOREVER, TableType
from bookwell.tables.floor.services import tables
from bookwell.tables.site import Site, SiteDep

__all__ = ["router"]

router = APIRouter(tags=["floor"])

_log = structlog.get_logger()

_REPEATABLE = {"x-idempotent": True}

_Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)]
_Seats = Annotated[int, Field(ge=1, le=1000)]
_Reason = Annotated[str, Field(max_length=1000, description="Guests are told")]
_WALL = "Without an offset the restaurant's time"


class NewTable(StrictBody):
    """A table; without a name it is called by its number."""

    table_type: TableType = TableType.REGULAR
    seats: _Seats = 2
    price: Price = 0
    can_be_booked: bool = True
    name: _Name = ""


class TableChange(StrictBody):
    """What is to be different of a table; a price counts from now on."""

    id: Id
    table_type: TableType | None = None
    seats: _Seats | None = None
    price: Price | None = None
    can_be_booked: bool | None = None
    name: Annotated[_Name, StringConstraints(min_length=1)] | None = None


class NewPrice(StrictBody):
    """A price from a moment on, now without one."""

    id: Id
    price: Price
    valid_from: Moment | None = Field(default=None, description=_WALL)


class Removal(StrictBody):
    """A table that is to go."""

    id: Id
    dry_run: DryRun = False


class Place(StrictBody):
    """A table, or with `all` the restaurant, for some time."""

    id: Id | None = None
    all: bool = Field(default=False, description="The whole restaurant, instead of `id`")
    starts_at: Moment | None = Field(default=None, alias="from", description=f"Now when left out. {_WALL}")
    ends_at: Moment | None = Field(default=None, alias="until", description=f"For good when left out. {_WALL}")
    reason: _Reason = ""
    dry_run: DryRun = False

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if (self.id is None) is not self.all:
            raise ValueError("either id or all is needed")
        return self


class Closing(Place):
    """What is closed."""


class Opening(Place):
    """What is opened; `reason` is for the record."""


class ClosureOut(BaseModel):
    """A closure that is taken back, in whole or in part."""

    id: int
    table_id: int | None
    starts_at: str
    ends_at: str | None
    reason: str


class OpenedOut(BaseModel):
    """Closures that stand no more as they did; with `dry_run` nothing was changed."""

    dry_run: bool
    closures: list[ClosureOut]


@router.post("/api/admin/add_table/", status_code=201, response_model=TableOut, openapi_extra=_REPEATABLE)
def add_table(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[NewTable, parameters(NewTable)]
) -> Response:
    """Add a table to the floor."""
    now = clock.now()

    def work(connection: Connection) -> Answer:
        table = tables.add_table(
            connection,
            name=sent.name,
            table_type=sent.table_type,
            seats=sent.seats,
            price=sent.price,
            can_be_booked=sent.can_be_booked,
            now=now,
        )
        return json_answer(table_out(table), status=201)

    return respond_in_transaction(request, site, work, caller=caller.key)


@router.post("/api/admin/update_table/", response_model=TableOut, openapi_extra=_REPEATABLE)
def update_table(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[TableChange, parameters(TableChange)]
) -> Response:
    """Change what is given; bookings that stand keep their table, and orders their price."""
    now = clock.now()

    def work(connection: Connection) -> Answer:
        table = tables.update_table(
            connection,
            table_id=sent.id,
            now=now,
            name=sent.name,
            table_type=sent.table_type,
            seats=sent.seats,
            can_be_booked=sent.can_be_booked,
        )
        if sent.price is not None:
            table = tables.set_price(connection, table_id=sent.id, price=sent.price, now=now)
        return json_answer(table_out(table))

    response = respond_in_transaction(request, site, work, caller=caller.key)
    return _noted(response, "floor.table_changed", caller, table_id=sent.id)


@router.post("/api/admin/set_price/", response_model=TableOut, openapi_extra=_REPEATABLE)
def set_price(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[NewPrice, parameters(NewPrice)]
) -> Response:
    """Set a table's price from a moment on; the answer has the price of now. Orders keep the price of their time."""
    now = clock.now()
    wanted = {"table_id": sent.id, "price": sent.price}

    def work(connection: Connection) -> Answer:
        table = tables.set_price(connection, valid_from=sent.valid_from, now=now, **wanted)
        return json_answer(table_out(table))

    response = respond_in_transaction(request, site, work, caller=caller.key)
    return _noted(response, "floor.price_set", caller, **wanted)


@router.post("/api/admin/remove_table/", response_model=HitsOut, openapi_extra=_REPEATABLE)
def remove_table(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[Removal, parameters(Removal, no_others=True)]
) -> Response:
    """Retire a table; its orders are declined and its bookings cancelled, and each guest is told."""
    remove = partial(closing.remove_table, table_id=sent.id)
    return _hits(request, site, caller, remove, is_dry_run=sent.dry_run)


@router.post("/api/admin/close_table/", response_model=HitsOut, openapi_extra=_REPEATABLE)
def close_table(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[Closing, parameters(Closing, no_others=True)]
) -> Response:
    """Close a table or the restaurant; orders in that time are declined, bookings cancelled, and each guest is told."""
    wanted = closing.Closing(sent.id, starts_at=sent.starts_at, ends_at=sent.ends_at, reason=sent.reason)
    close = partial(closing.close_tables, closing=wanted)
    return _hits(request, site, caller, close, is_dry_run=sent.dry_run)


@router.post("/api/admin/open_table/", response_model=OpenedOut, openapi_extra=_REPEATABLE)
def open_table(
    request: Request, site: SiteDep, caller: Staff, sent: Annotated[Opening, parameters(Opening, no_others=True)]
) -> Response:
    """Take back closures of a table, or those of the restaurant; a table stays closed while the restaurant is."""
    now = clock.now()
    wanted = closing.Opening(sent.id, starts_at=sent.starts_at, ends_at=sent.ends_at, reason=sent.reason)
    who: dict[str, Any] = {"actor": caller.actor, "now": now}

    def work(connection: Connection) -> Answer:
        opened = closing.open_tables(connection, opening=wanted, is_dry_run=sent.dry_run, **who)
        return json_answer({"dry_run": sent.dry_run, "closures": [_closure_out(row) for row in opened]})

    response = respond_in_transaction(request, site, work, caller=caller.key)
    if sent.dry_run:
        return response
    return _noted(response, "floor.opened", caller, table_id=sent.id)


def _noted(response: Response, event: str, caller: Caller, **told: Any) -> Response:
    """Tell the log who changed what; a refusal that is kept for its key changed nothing."""
    if response.status_code == HTTPStatus.OK:
        _log.info(event, by=caller.reference, **told)
    return response


def _hits(
    request: Request, site: Site, caller: Caller, change: Callable[..., Sequence[Any]], *, is_dry_run: bool
) -> Response:
    """Do a change of the floor, or only look, and answer the bookings that it hits."""
    now = clock.now()
    told: dict[str, Any] = {"actor": caller.actor, "public_url": site.public_url, "now": now}

    def work(connection: Connection) -> Answer:
        hit = change(connection, is_dry_run=is_dry_run, **told)
        return json_answer(hits_out(hit, is_dry_run=is_dry_run))

    return respond_in_transaction(request, site, work, caller=caller.key)


def _closure_out(row: Any) -> dict[str, Any]:
    """An end that is as good as never is none."""
    starts_at, ends_at = instant_at(row.starts_at), instant_at(row.ends_at)
    period = {"starts_at": starts_at, "ends_at": None if ends_at == FOREVER else ends_at}
    return {"id": row.id, "table_id": row.table_id, **period, "reason": row.reason}

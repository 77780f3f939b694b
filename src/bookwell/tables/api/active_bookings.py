"""What staff have before them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.idempotency import Answer
from bookwell.kit.request_types import Id, Moment
from bookwell.tables.api.access import staff
from bookwell.tables.api.answers import response_of
from bookwell.tables.api.paging import PageOut, PageQuery, page_answer, page_request
from bookwell.tables.api.shapes import BookingOut, staff_view
from bookwell.tables.bookings.queries import Board, list_active
from bookwell.tables.bookings.rules import State
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import instant_of
from bookwell.tables.site import SiteDep

__all__ = ["router"]

router = APIRouter(tags=["bookings"])

_ACTIVE = frozenset({State.REQUESTED, State.CONFIRMED, State.SEATED})


class BoardQuery(PageQuery):
    """Which bookings; orders that wait, confirmed bookings and guests who sit, without any of these."""

    state: State | None = Field(default=None, description="Only this one, be it active or not")
    from_: Moment | None = Field(default=None, alias="from", description="Not over then")
    until: Moment | None = Field(default=None, description="Begun before")
    table_id: Id | None = None
    slot_taken: bool | None = Field(default=None, description="Orders whose table is not free any more; or the others")


class BookingPage(PageOut):
    """A page of bookings by their start."""

    items: list[BookingOut]


@router.get("/api/admin/view_active_bookings/", response_model=BookingPage, dependencies=[Depends(staff)])
def view_active_bookings(
    request: Request, site: SiteDep, wanted: Annotated[BoardQuery, parameters(BoardQuery)]
) -> Response:
    """Orders and bookings by their start, the first ones first."""
    page = page_request(request, wanted, shape=(int, int))

    def work(connection: Connection) -> Answer:
        board = _board(connection, wanted)
        rows = list_active(connection, board, position=page.position, limit=page.limit + 1)
        return page_answer(page, rows, key=lambda row: (row.starts_at, row.id), shape=staff_view)

    return response_of(site.database.read(work))


def _board(connection: Connection, wanted: BoardQuery) -> Board:
    """Times without an offset are the restaurant's."""
    starts_at, ends_at = wanted.from_, wanted.until
    if starts_at is not None or ends_at is not None:
        zone = get_house(connection).zone
        starts_at = instant_of(starts_at, zone) if starts_at else None
        ends_at = instant_of(ends_at, zone) if ends_at else None
    states = frozenset({wanted.state}) if wanted.state else _ACTIVE
    return Board(states, starts_at, ends_at, wanted.table_id, wanted.slot_taken)

"""The librarian's desk: copies in, copies out, and the lists of a branch."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from bookwell.kit import clock
from bookwell.kit.idempotency import Answer
from bookwell.library.api.answers import json_answer, respond_in_transaction
from bookwell.library.api.auth import actor_of, librarian
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.types import Barcode, Body, Name, PageOf
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.rules import Actor
from bookwell.library.circulation.schemas import DeskItemOut, InstructionOut, ReservationOut
from bookwell.library.circulation.views import DeskItem

__all__ = ["instruction_shape", "router"]

router = Router(tags=["desk"])


class CheckOut(Body):
    """A copy, and the card of whoever takes it."""

    barcode: Barcode
    reader: Annotated[str, Field(min_length=1, max_length=32)]


class CheckIn(Body):
    """A copy, and the branch (name or code) whose desk it lies on."""

    barcode: Barcode
    branch: Name


class DeskFilters(PageQuery):
    """Which branch's list; without one, the whole network's."""

    branch: Annotated[str, Field(max_length=100)] | None = None


class DeskItemsOut(PageOf):
    """A page of a desk list, oldest first."""

    items: list[DeskItemOut]


@router.post("/checkout/", auth=librarian, response=ReservationOut)
def check_out(request: HttpRequest, body: CheckOut) -> HttpResponse:
    """Lend a copy to a card."""
    actor, now = actor_of(request), clock.now()

    def work() -> Answer:
        loan = services.check_out(barcode=body.barcode, card=body.reader, actor=actor, now=now)
        return json_answer(queries.get_view(reservation_id=loan.pk, actor=actor, now=now))

    return respond_in_transaction(request, work)


@router.post("/checkin/", auth=librarian, response=InstructionOut)
def check_in(request: HttpRequest, body: CheckIn) -> HttpResponse:
    """Take a copy in, and hear what to do with it."""
    actor, now = actor_of(request), clock.now()

    def work() -> Answer:
        instruction = services.check_in(barcode=body.barcode, branch=body.branch, actor=actor, now=now)
        return json_answer(instruction_shape(instruction, actor, now))

    return respond_in_transaction(request, work)


@router.get("/pull-list/", auth=librarian, response=DeskItemsOut)
def pull_list(request: HttpRequest, filters: Query[DeskFilters]) -> HttpResponse:
    """Copies to fetch from the open shelves."""
    return _list(request, filters, queries.list_pull_list)


@router.get("/in-hand/", auth=librarian, response=DeskItemsOut)
def in_hand(request: HttpRequest, filters: Query[DeskFilters]) -> HttpResponse:
    """Copies that came in for a reader: to shelve here, or to ship."""
    return _list(request, filters, queries.list_in_hand)


@router.get("/hold-shelf/", auth=librarian, response=DeskItemsOut)
def hold_shelf(request: HttpRequest, filters: Query[DeskFilters]) -> HttpResponse:
    """Copies that wait for their readers."""
    return _list(request, filters, queries.list_hold_shelf)


@router.get("/overdue/", auth=librarian, response=DeskItemsOut)
def overdue(request: HttpRequest, filters: Query[DeskFilters]) -> HttpResponse:
    """Loans past their due date."""
    return _list(request, filters, queries.list_overdue)


def instruction_shape(instruction: services.Instruction, actor: Actor, now: dt.datetime) -> dict[str, Any]:
    """An instruction with the reservation that it is about."""
    reservation = None
    if instruction.reservation_id is not None:
        reservation = queries.get_view(reservation_id=instruction.reservation_id, actor=actor, now=now)
    return {"action": instruction.action, "detail": instruction.detail, "reservation": reservation}


def _list(request: HttpRequest, filters: DeskFilters, read: Callable[..., list[DeskItem]]) -> HttpResponse:
    page = page_request(request, filters)
    rows = read(filters.branch, now=clock.now(), position=page.position, limit=page.limit)
    return respond_page(page, rows, key=lambda row: (row.id,))

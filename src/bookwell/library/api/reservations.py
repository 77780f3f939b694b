"""Reservations: place, read, change, and every step of their life."""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from bookwell.kit import clock
from bookwell.kit.idempotency import Answer
from bookwell.library.accounts.rules import Role, includes
from bookwell.library.api import placing
from bookwell.library.api.answers import json_answer, respond_in_transaction, response_of
from bookwell.library.api.auth import actor_of, caller_of, librarian, reader, reader_or_writer
from bookwell.library.api.desk import instruction_shape
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.placing import PlaceReservation
from bookwell.library.api.types import Body, Id, Moment, Name, PageOf, PartialBody
from bookwell.library.circulation import queries, services
from bookwell.library.circulation.rules import Actor, State
from bookwell.library.circulation.schemas import ExplanationOut, PlacedOut, ReservationOut, ReturnedOut

__all__ = ["router"]

router = Router(tags=["reservations"])


_HAND_IN = {"action": "reshelve", "detail": "Hand the book in at the desk.", "reservation": None}
"""What a reader is told who returns an own loan: who gets the copy next is the desk's to know."""


class ChangeReservation(PartialBody):
    """Only the fields that are sent change; null ends a suspension or a wish."""

    pickup_branch: Name = ""
    suspended_until: Moment | None = None
    reserved_until: Moment | None = None


class CancelReservation(Body):
    """Why: kept for the record and told to the reader."""

    reason: Annotated[str, Field(max_length=150)] = ""


class ReturnBook(Body):
    """Where it was returned; without it, where its copy stands."""

    branch: Name | None = None


class ReservationsOut(PageOf):
    """A page of reservations, newest first."""

    items: list[ReservationOut]


class Filters(PageQuery):
    """What to narrow the list to."""

    state: State | None = None
    reader: Id | None = None
    book: Id | None = None
    branch: Annotated[str, Field(max_length=100)] | None = None
    overdue: bool | None = None


@router.get("/", auth=reader, response=ReservationsOut)
def list_reservations(request: HttpRequest, filters: Query[Filters]) -> HttpResponse:
    """Own reservations; for librarians everybody's."""
    caller, now = caller_of(request), clock.now()
    own = None if includes(caller.role, Role.LIBRARIAN) else caller.user_id
    if own is not None and filters.reader not in (None, own):
        return response_of(json_answer({"items": [], "next": None, "previous": None}))
    wanted = queries.ReservationFilter(
        reader_id=own or filters.reader,
        state=filters.state,
        book_id=filters.book,
        branch=filters.branch,
        is_overdue=filters.overdue,
    )
    page = page_request(request, filters)
    rows = queries.list_views(wanted, position=page.position, limit=page.limit, now=now)
    return respond_page(page, rows, key=lambda row: (row.id,))


@router.post("/", auth=reader_or_writer, response={201: PlacedOut})
def place_reservation(request: HttpRequest, body: PlaceReservation) -> HttpResponse:
    """Reserve a book: a free copy is set aside, else the reader joins the end of the queue.

    At a partner library it is `requested` until that answers. When no copy is free, `elsewhere` tells where else the
    book may be had. A machine client (scope `reservations:write`) places for the reader whose card number it sends;
    the same `external_ref` again answers the same reservation.
    """
    return placing.place(request, body)


router.post("/reserve/", auth=reader_or_writer, response={201: PlacedOut})(place_reservation)


@router.get("/{int:reservation_id}/", auth=reader, response=ReservationOut)
def get_reservation(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """One reservation of one's own; for librarians anybody's."""
    view = queries.get_view(reservation_id=reservation_id, actor=actor_of(request), now=clock.now())
    return response_of(json_answer(view))


@router.patch("/{int:reservation_id}/", auth=reader, response=ReservationOut)
def change_reservation(request: HttpRequest, reservation_id: Id, body: ChangeReservation) -> HttpResponse:
    """Change where it is picked up, suspend or resume it, or say until when it is wanted."""
    actor, now = actor_of(request), clock.now()
    changes = body.model_dump(exclude_unset=True)

    def work() -> Answer:
        services.change_reservation(reservation_id=reservation_id, changes=changes, actor=actor, now=now)
        return _view(reservation_id, actor, now)

    return respond_in_transaction(request, work)


@router.delete("/{int:reservation_id}/", auth=reader, response=ReservationOut)
def delete_reservation(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Cancel it; the answer shows it cancelled."""
    return _cancel(request, reservation_id, "")


@router.post("/{int:reservation_id}/cancel/", auth=reader, response=ReservationOut)
def cancel_reservation(request: HttpRequest, reservation_id: Id, body: CancelReservation | None = None) -> HttpResponse:
    """Cancel it, with a reason."""
    return _cancel(request, reservation_id, body.reason if body else "")


@router.post("/{int:reservation_id}/renew/", auth=reader, response=ReservationOut)
def renew(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Lengthen a loan."""
    return _step(request, reservation_id, services.renew)


@router.post("/{int:reservation_id}/shelve/", auth=librarian, response=ReservationOut)
def shelve(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Put the assigned copy on the hold shelf of its pickup branch."""
    return _step(request, reservation_id, services.shelve)


@router.post("/{int:reservation_id}/ship/", auth=librarian, response=ReservationOut)
def ship(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Send the assigned copy to its pickup branch."""
    return _step(request, reservation_id, services.ship)


@router.post("/{int:reservation_id}/receive/", auth=librarian, response=ReservationOut)
def receive(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Take the shipped copy in and put it on the hold shelf."""
    return _step(request, reservation_id, services.receive)


@router.post("/{int:reservation_id}/issue/", auth=librarian, response=ReservationOut)
def issue(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Lend the copy to its reader."""
    return _step(request, reservation_id, services.issue)


@router.post("/{int:reservation_id}/return_book/", auth=reader, response=ReturnedOut)
def return_book(request: HttpRequest, reservation_id: Id, body: ReturnBook | None = None) -> HttpResponse:
    """End the loan, and say what to do with the copy. Readers need the policy's `self_return`."""
    actor, now = actor_of(request), clock.now()
    branch = body.branch if body else None

    def work() -> Answer:
        _, instruction = services.return_book(reservation_id=reservation_id, branch=branch, actor=actor, now=now)
        view = queries.get_view(reservation_id=reservation_id, actor=actor, now=now)
        shown = instruction_shape(instruction, actor, now) if actor.is_librarian else _HAND_IN
        return json_answer({**asdict(view), "instruction": shown})

    return respond_in_transaction(request, work)


@router.get("/{int:reservation_id}/explain/", auth=reader, response=ExplanationOut)
def explain(request: HttpRequest, reservation_id: Id) -> HttpResponse:
    """Why this position, this date, this estimate, this refusal."""
    facts = queries.explain(reservation_id=reservation_id, actor=actor_of(request), now=clock.now())
    return response_of(json_answer({"facts": facts}))


def _step(request: HttpRequest, reservation_id: int, step: Callable[..., object]) -> HttpResponse:
    """One verb on one reservation, answered with the reservation as it is afterwards."""
    actor, now = actor_of(request), clock.now()

    def work() -> Answer:
        step(reservation_id=reservation_id, actor=actor, now=now)
        return _view(reservation_id, actor, now)

    return respond_in_transaction(request, work)


def _cancel(request: HttpRequest, reservation_id: int, reason: str) -> HttpResponse:
    def step(**of: Any) -> object:
        return services.cancel_reservation(reason=reason, **of)

    return _step(request, reservation_id, step)


def _view(reservation_id: int, actor: Actor, now: dt.datetime) -> Answer:
    return json_answer(queries.get_view(reservation_id=reservation_id, actor=actor, now=now))

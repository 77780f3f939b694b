"""What a guest's links open, as pages for people and as JSON for programs.

A GET shows and never changes anything, because programs that look at mails open links too; a POST does what its link
is for, from the page's button, from a program or, to end reminders, from a mail program (RFC 8058).
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import Field
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.adapters.sqlalchemy.failures import refusal_of
from bookwell.kit.errors import Conflict, DomainError, NotFound, Unavailable
from bookwell.kit.http_errors import NOT_ACCEPTABLE, HttpRefusal
from bookwell.kit.languages import Speech
from bookwell.kit.negotiation import preferred_type
from bookwell.kit.outbox.rules import milliseconds
from bookwell.kit.problems import status_of
from bookwell.kit.request_types import StrictBody
from bookwell.tables.api.answers import json_answer, response_of
from bookwell.tables.api.shapes import GuestBookingOut, guest_view
from bookwell.tables.bookings.errors import TooLateToCancel
from bookwell.tables.bookings.queries import get_booking, get_booking_id_of_token
from bookwell.tables.bookings.rules import OPEN_STATES, State, TokenPurpose
from bookwell.tables.bookings.services.ending import cancel_by_guest
from bookwell.tables.bookings.services.unsubscribing import ReminderLink, get_reminder_link, opt_out_of_reminders
from bookwell.tables.floor.queries import get_house
from bookwell.tables.site import Site, SiteDep
from bookwell.tables.web.pages import STYLESHEET, language_of, page, stylesheet

__all__ = ["GuestLink", "router"]

router = APIRouter(tags=["guests"])
router.add_api_route(STYLESHEET, stylesheet, include_in_schema=False)

_JSON, _HTML = "application/json", "text/html"
_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {_HTML: {"schema": {"type": "string"}}}}, 404: {}}


class GuestLink(StrictBody):
    """What a guest's link holds."""

    id: str = Field(description="The token of a link that the guest was sent")
    lang: str = Field(default="", max_length=35, description="The page's language: en, pl or ru")


class Unsubscribing(GuestLink):
    """The same, with what mail programs send along."""

    one_click: str = Field(default="", alias="List-Unsubscribe", max_length=20, description="One-Click, as in RFC 8058")


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens: a booking, what its guest may see of it, and whose it is."""

    booked: Any
    seen: dict[str, Any]
    restaurant: str


@dataclass(frozen=True, slots=True)
class Reminders:
    """What a reminder's link opens: the guest's language, and whose reminders they are."""

    locale: str
    restaurant: str


class RemindersOut(StrictBody):
    """Whether a guest is reminded of bookings."""

    reminders: bool


@router.get("/api/customer/booking/", response_model=GuestBookingOut, responses=_PAGE)
def view_booking(request: Request, site: SiteDep, link: Annotated[GuestLink, parameters(GuestLink)]) -> Response:
    """The state of the order or booking that a guest's link opens; a wrong link and one whose time is up are alike.

    JSON, or a page for who would rather have one.
    """
    media_type = _media_type(request, _JSON, _HTML)

    def show() -> Response:
        opened = site.database.read(lambda connection: _open(connection, link.id, TokenPurpose.VIEW))
        if media_type == _JSON:
            return response_of(json_answer(opened.seen))
        hint = "view_hint" if opened.booked.state in OPEN_STATES else ""
        return _booking_page(request, link, opened, title="booking_title", hint=hint)

    return _or_refusal(request, site, link, show)


@router.get("/api/customer/cancel_booking/", response_model=GuestBookingOut, responses=_PAGE)
def show_booking_to_cancel(
    request: Request, site: SiteDep, link: Annotated[GuestLink, parameters(GuestLink)]
) -> Response:
    """A page with the booking and a button that cancels it; JSON for who would rather have that. Changes nothing."""
    media_type = _media_type(request, _HTML, _JSON)

    def show() -> Response:
        opened = site.database.read(lambda connection: _open(connection, link.id, TokenPurpose.CANCEL))
        if media_type == _JSON:
            return response_of(json_answer(opened.seen))
        says = _what_can_be_cancelled(opened.booked, clock.now())
        return _booking_page(request, link, opened, title="cancel_title", **says)

    return _or_refusal(request, site, link, show)


@router.post("/api/customer/cancel_booking/", response_model=GuestBookingOut, responses=_PAGE)
def cancel_by_link(
    request: Request, site: SiteDep, link: Annotated[GuestLink, parameters(GuestLink, forms=True)]
) -> Response:
    """Cancel the booking of a link, by the page's button or by a program; once more gives the same answer.

    409 after the start, and once the guests sit.
    """
    media_type = _media_type(request, _JSON, _HTML)

    def cancel() -> Response:
        now = clock.now()

        def work(connection: Connection) -> Opened:
            booked = cancel_by_guest(connection, token=link.id, public_url=site.public_url, now=now)
            return _seen(connection, booked)

        opened = site.database.write(work)
        if media_type == _JSON:
            return response_of(json_answer(opened.seen))
        return _booking_page(request, link, opened, title="cancel_title", said="cancel_done")

    return _or_refusal(request, site, link, cancel)


@router.get("/api/customer/unsubscribe/", response_class=HTMLResponse, responses=_PAGE)
def show_reminders(request: Request, site: SiteDep, link: Annotated[GuestLink, parameters(GuestLink)]) -> Response:
    """A page with a button that ends reminders. Changes nothing."""
    _media_type(request, _HTML)

    def show() -> Response:
        now = clock.now()
        opened = site.database.read(
            lambda connection: _told(connection, get_reminder_link(connection, token=link.id, now=now))
        )
        return _reminders_page(request, link, opened, is_done=False)

    return _or_refusal(request, site, link, show)


@router.post(
    "/api/customer/unsubscribe/",
    response_model=RemindersOut,
    responses=_PAGE,
)
def unsubscribe(
    request: Request, site: SiteDep, link: Annotated[Unsubscribing, parameters(Unsubscribing, forms=True)]
) -> Response:
    """Send no more reminders to whom the link was sent; mail programs may do it in one step. Again changes nothing."""
    media_type = _media_type(request, _JSON, _HTML)

    def end() -> Response:
        now = clock.now()
        opened = site.database.write(
            lambda connection: _told(connection, opt_out_of_reminders(connection, token=link.id, now=now))
        )
        if media_type == _JSON:
            return response_of(json_answer({"reminders": False}))
        return _reminders_page(request, link, opened, is_done=True)

    return _or_refusal(request, site, link, end)


def _media_type(request: Request, *offered: str) -> str:
    chosen = preferred_type(request.headers.get("Accept", ""), offered)
    if chosen is None:
        raise HttpRefusal(NOT_ACCEPTABLE)
    return chosen


def _or_refusal(request: Request, site: Site, link: GuestLink, work: Callable[[], Response]) -> Response:
    """What `work` answers, or what refuses it: as a page for who would rather have one than JSON."""
    try:
        return work()
    except (NotFound, Conflict, Unavailable, DBAPIError) as error:
        refusal = refusal_of(error) if isinstance(error, DBAPIError) else error
        if refusal is None or preferred_type(request.headers.get("Accept", ""), (_JSON, _HTML)) != _HTML:
            raise
    return _refused_page(request, site, link, refusal)


def _refused_page(request: Request, site: Site, link: GuestLink, refusal: DomainError) -> Response:
    """It tells no more of a booking than the problem document would."""
    status = status_of(refusal)
    words = "cancel_late" if isinstance(refusal, TooLateToCancel) else f"refused_{status}"
    name = "Bookwell" if isinstance(refusal, Unavailable) else site.database.read(get_house).name
    response = page(
        "refused.html",
        language=language_of(request, asked=link.lang),
        status=status,
        title="booking_title",
        restaurant=name,
        token=link.id,
        refusal=words,
    )
    if isinstance(refusal, Unavailable):
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def _open(connection: Connection, token: str, purpose: TokenPurpose) -> Opened:
    now = clock.now()
    booking_id = get_booking_id_of_token(connection, token, purposes={purpose}, now=now)
    return _seen(connection, get_booking(connection, booking_id))


def _seen(connection: Connection, booked: Any) -> Opened:
    return Opened(booked, guest_view(booked), get_house(connection).name)


def _told(connection: Connection, opened: ReminderLink) -> Reminders:
    return Reminders(opened.locale, get_house(connection).name)


def _what_can_be_cancelled(booked: Any, now: dt.datetime) -> dict[str, str]:
    state = State(booked.state)
    if state is State.CANCELLED:
        return {"said": "cancel_done"}
    if state not in OPEN_STATES:
        return {"said": "cancel_over"}
    is_late = booked.starts_at <= milliseconds(now)
    return {"said": "cancel_late"} if is_late else {"asked": "cancel_asked"}


def _booking_page(request: Request, link: GuestLink, opened: Opened, *, title: str, **says: str) -> Response:
    """`says` what was done, what is asked, or a hint, by the keys of words."""
    language = language_of(request, asked=link.lang, otherwise=opened.booked.locale)
    return page(
        "booking.html",
        language=language,
        title=title,
        restaurant=opened.restaurant,
        token=link.id,
        booking=opened.seen,
        say=Speech(language, ZoneInfo(opened.booked.time_zone)),
        says=says,
    )


def _reminders_page(request: Request, link: GuestLink, opened: Reminders, *, is_done: bool) -> Response:
    language = language_of(request, asked=link.lang, otherwise=opened.locale)
    known: dict[str, Any] = {"title": "reminders_title", "restaurant": opened.restaurant, "token": link.id}
    return page("reminders.html", language=language, is_done=is_done, **known)

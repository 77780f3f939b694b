"""A guest orders a table; what the links of its messages open is in `web`."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import parameters
from bookwell.kit.adapters.fastapi.throttle import address_of
from bookwell.kit.idempotency import Answer
from bookwell.kit.limits import is_loopback, subscriber_of
from bookwell.tables.api.access import Anyone, Caller
from bookwell.tables.api.answers import json_answer, respond_in_transaction
from bookwell.tables.api.contacts import guest_locale
from bookwell.tables.api.order_parameters import BookTable, order_request
from bookwell.tables.api.shapes import GuestBookingOut, guest_view
from bookwell.tables.bookings.rules import Exemption
from bookwell.tables.bookings.services.placing import place_order
from bookwell.tables.site import Site, SiteDep

__all__ = ["router"]

router = APIRouter(tags=["guests"])


@router.post(
    "/api/customer/book_table/",
    status_code=201,
    response_model=GuestBookingOut,
    responses={401: {}},
    openapi_extra={"x-idempotent": True},
)
def book_table(
    request: Request, site: SiteDep, caller: Anyone, wanted: Annotated[BookTable, parameters(BookTable)]
) -> Response:
    """Order a table. It stays free for others until the restaurant confirms.

    The guest is told by e-mail, or by SMS without an address, with links to look at the order and to cancel it. The
    answer has no such link: they go only to the contact that was given, and of their tokens nothing but a digest is
    kept, which an answer that is given again for an Idempotency-Key would break.
    """
    now = clock.now()
    locale = guest_locale(request, wanted.locale)
    who = _standing(request, site, caller)
    from_address = "" if who["exemption"] is Exemption.ALL else subscriber_of(address_of(request))
    order = order_request(wanted, locale=locale, from_address=from_address)

    def work(connection: Connection) -> Answer:
        booked = place_order(connection, request=order, public_url=site.public_url, now=now, **who)
        return json_answer(guest_view(booked), status=201)

    return respond_in_transaction(request, site, work, caller=caller.key if caller else "")


def _standing(request: Request, site: Site, caller: Caller | None) -> dict[str, Any]:
    """Who orders, and which limits do not hold for them."""
    if caller is not None and caller.is_staff:
        return {"exemption": Exemption.ALL, "actor": caller.actor}
    is_demo = site.settings.is_demo and is_loopback(address_of(request))
    return {"exemption": Exemption.COUNTS if is_demo else Exemption.NONE}

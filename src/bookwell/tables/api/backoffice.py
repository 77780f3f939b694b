"""The back office: decisions by signed webhooks, and the feed of events for who can only poll."""

import datetime as dt
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from bookwell.contracts.backoffice import BookingEvent, DecisionRequest
from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import RawBody, body, parameters
from bookwell.kit.http_errors import SIGNATURE_INVALID, HttpRefusal
from bookwell.kit.idempotency import Answer
from bookwell.kit.pages import DEFAULT_LIMIT, MAX_LIMIT
from bookwell.kit.request_types import StrictBody
from bookwell.kit.webhooks import SignatureInvalid, verify
from bookwell.tables.api.access import machine
from bookwell.tables.api.answers import json_answer, refusal_answer, response_of
from bookwell.tables.backoffice.queries import has_unplaced, read_feed
from bookwell.tables.backoffice.services.receiving import RECEIVED, key_of_webhook
from bookwell.tables.bookings.rules import Decision, State
from bookwell.tables.bookings.services.deciding import decide_booking
from bookwell.tables.bookings.services.publishing import place_events
from bookwell.tables.site import SiteDep

__all__ = ["router"]

router = APIRouter(tags=["back office"])

_CHALLENGE = {"WWW-Authenticate": "Webhook"}
_SCOPE = "bookings:read"
_LONGEST_CURSOR = 64
_SIGNATURE_HEADERS = {
    "webhook-id": "The same at every attempt; kept for seven days",
    "webhook-timestamp": "Seconds since 1970, at most 300 from now",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`; several with spaces",
}
_SIGNED: dict[str, Any] = {
    "parameters": [
        {"in": "header", "name": name, "required": True, "description": told, "schema": {"type": "string"}}
        for name, told in _SIGNATURE_HEADERS.items()
    ]
}


class DecidedOut(BaseModel):
    """The booking as it is now, and what the back office decided of it."""

    booking_id: int
    state: State
    version: int
    decision: Decision


class FeedQuery(StrictBody):
    """Where to read on."""

    after: str = Field(default="", max_length=_LONGEST_CURSOR, description="The `next` of the last answer")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, description=f"{MAX_LIMIT} at most")


class FeedItemOut(BaseModel):
    """One event: what a webhook of the same id says."""

    id: str
    type: str
    timestamp: dt.datetime
    data: BookingEvent


class FeedOut(BaseModel):
    """Events in their order, and the cursor behind them."""

    items: list[FeedItemOut]
    next: str


def _signed(request: Request, site: SiteDep, raw: RawBody) -> str:
    """The id of a webhook that the back office signed: looked at before anything else of it is."""
    try:
        return verify(dict(request.headers), raw, secrets=site.settings.decision_secrets(), now=clock.now())
    except SignatureInvalid:
        raise HttpRefusal(SIGNATURE_INVALID, headers=_CHALLENGE) from None


@router.post("/api/backoffice/decisions", response_model=DecidedOut, responses={401: {}}, openapi_extra=_SIGNED)
def decide(
    request: Request,
    site: SiteDep,
    webhook_id: Annotated[str, Depends(_signed)],
    wanted: Annotated[DecisionRequest, body(DecisionRequest)],
) -> Response:
    """What an employee decided about an order; signed as Standard Webhooks describe.

    The same decision again changes nothing. A decision that comes too late, contradicts an earlier one or is about an
    older version is refused with a code of its own. The same `webhook-id` gets the first answer again.
    """
    now = clock.now()

    def work(connection: Connection) -> Answer:
        booked = decide_booking(
            connection,
            booking_id=wanted.booking_id,
            decision=Decision(wanted.decision),
            version=wanted.version,
            reason=wanted.reason,
            backoffice_ref=wanted.backoffice_ref,
            public_url=site.public_url,
            now=now,
        )
        shown = {"booking_id": booked.id, "state": booked.state, "version": booked.version}
        return json_answer(shown | {"decision": booked.decided})

    key = key_of_webhook(webhook_id, request.state.raw_body)
    render = partial(refusal_answer, request)
    return response_of(RECEIVED.run(site.database.write, work, key=key, render=render))


@router.get(
    "/api/backoffice/orders", response_model=FeedOut, responses={409: {}}, dependencies=[Depends(machine(_SCOPE))]
)
def list_orders(site: SiteDep, wanted: Annotated[FeedQuery, parameters(FeedQuery)]) -> Response:
    """Every event of every booking, the oldest first; for machine clients with the scope `bookings:read`.

    Keep `next`, and ask for what is `after` it the next time: no event is skipped, and none comes twice. Events are
    kept for some weeks; a cursor from before them is refused.
    """
    if site.database.read(has_unplaced):
        site.database.write(place_events)
    limit = min(wanted.limit, MAX_LIMIT)
    page = site.database.read(lambda connection: read_feed(connection, after=wanted.after, limit=limit))
    return response_of(json_answer({"items": page.items, "next": page.next}))

"""Writes what a guest or the staff is told, with fresh tokens for the links in it, in the change's transaction."""

import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert

from bookwell.contracts.bookings import BookingFacts, FreeTable
from bookwell.kit.adapters.sqlalchemy.outbox_writing import append_in_tx
from bookwell.tables.bookings.events import guest_notice, staff_notice
from bookwell.tables.bookings.models import guest_token
from bookwell.tables.bookings.queries import digest_of, instant_at
from bookwell.tables.bookings.rules import OPEN_STATES, State, TokenPurpose
from bookwell.tables.floor.queries import get_table
from bookwell.tables.floor.rules import House

__all__ = ["tell_guest_in_tx", "tell_staff_in_tx"]

_TOKEN_BYTES = 32
_PATHS = {TokenPurpose.CANCEL: "/api/customer/cancel_booking/", TokenPurpose.VIEW: "/api/customer/booking/"}


def tell_guest_in_tx(
    connection: Connection,
    kind: str,
    booked: Any,
    *,
    house: House,
    public_url: str,
    now: dt.datetime,
    ended_by: str = "",
    alternatives: Sequence[FreeTable] = (),
) -> None:
    """Write the guest's notice of a change; nothing for a guest without contact."""
    if not (booked.email or booked.phone):
        return
    links = _links_in_tx(connection, booked, public_url) if State(booked.state) in OPEN_STATES else {}
    facts = _facts(connection, booked, house, now).model_copy(
        update={
            "cancel_url": links.get(TokenPurpose.CANCEL, ""),
            "booking_url": links.get(TokenPurpose.VIEW, ""),
            "ended_by": ended_by,
            "alternatives": tuple(alternatives),
        }
    )
    notice = guest_notice(kind, booked=booked, facts=facts, expires_at=instant_at(booked.ends_at))
    append_in_tx(connection, [notice] if notice else [], now=now)


def tell_staff_in_tx(connection: Connection, kind: str, booked: Any, *, house: House, now: dt.datetime) -> None:
    """Write the notice to the restaurant's address; nothing where it has none."""
    if house.staff_email:
        facts = _facts(connection, booked, house, now)
        append_in_tx(connection, [staff_notice(kind, booked=booked, facts=facts, email=house.staff_email)], now=now)


def _facts(connection: Connection, booked: Any, house: House, now: dt.datetime) -> BookingFacts:
    table = get_table(connection, booked.table_id, now=now)
    return BookingFacts(
        booking_id=booked.id,
        state=booked.state,
        restaurant=house.name,
        table=table.name,
        table_type=table.table_type,
        party_size=booked.party_size,
        starts_at=instant_at(booked.starts_at),
        ends_at=instant_at(booked.ends_at),
        time_zone=booked.time_zone,
        price=booked.price,
        decide_by=instant_at(booked.decide_by) if booked.decide_by is not None else None,
        reason=booked.reason,
    )


def _links_in_tx(connection: Connection, booked: Any, public_url: str) -> dict[TokenPurpose, str]:
    """Only digests are kept, so that every message has tokens of its own."""
    tokens = {purpose: secrets.token_urlsafe(_TOKEN_BYTES) for purpose in TokenPurpose}
    rows = [
        {"digest": digest_of(token), "booking_id": booked.id, "purpose": purpose, "expires_at": booked.ends_at}
        for purpose, token in tokens.items()
    ]
    connection.execute(insert(guest_token), rows)
    return {purpose: f"{public_url}{_PATHS[purpose]}?id={token}" for purpose, token in tokens.items()}

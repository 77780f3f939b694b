"""Writes what a guest or the staff is told, with fresh tokens for the links in it, in the change's transaction."""

import datetime as dt
import secrets
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, insert

from bookwell.contracts.bookings import BookingFacts
from bookwell.kit.adapters.sqlalchemy.outbox_writing import append_in_tx
from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings.events import guest_notice, has_contact, staff_notice
from bookwell.tables.bookings.models import guest_token
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import OPEN_STATES, State, TokenPurpose
from bookwell.tables.bookings.services.unsubscribing import keep_reminder_link_in_tx
from bookwell.tables.floor.rules import House

__all__ = ["remind_in_tx", "tell_guest_in_tx", "tell_of_move_in_tx", "tell_staff_in_tx"]

_TOKEN_BYTES = 32
_PATHS: Mapping[TokenPurpose, str] = MappingProxyType(
    {
        TokenPurpose.CANCEL: "/api/customer/cancel_booking/",
        TokenPurpose.VIEW: "/api/customer/booking/",
    }
)
_UNSUBSCRIBE = "/api/customer/unsubscribe/"
_OF_A_BOOKING = (TokenPurpose.CANCEL, TokenPurpose.VIEW)


def tell_guest_in_tx(
    connection: Connection, kind: str, booked: Any, *, house: House, public_url: str, now: dt.datetime, **told: Any
) -> None:
    """Write the guest's notice of a change; nothing for a guest without contact. `told` replaces facts."""
    if not has_contact(booked):
        return
    links = _links_in_tx(connection, booked, public_url, _OF_A_BOOKING) if State(booked.state) in OPEN_STATES else {}
    facts = _facts(booked, house, {**_link_facts(links), **told})
    append_in_tx(connection, [guest_notice(kind, booked=booked, facts=facts)], now=now)


def tell_of_move_in_tx(
    connection: Connection, before: Any, moved: Any, *, house: House, public_url: str, now: dt.datetime
) -> None:
    """Write the guest's notice of another table or time; `before` is the booking as it was."""
    if not has_contact(moved):
        return
    told: dict[str, Any] = {
        "previous_table": before.table_name,
        "previous_starts_at": instant_at(before.starts_at),
        "previous_ends_at": instant_at(before.ends_at),
        "was_confirmed": State(before.state) is State.CONFIRMED,
    }
    tell_guest_in_tx(connection, "booking.changed", moved, house=house, public_url=public_url, now=now, **told)


def remind_in_tx(connection: Connection, booked: Any, *, house: House, public_url: str, now: dt.datetime) -> None:
    """Write the reminder of a confirmed booking, with a link that ends reminders in one that goes by e-mail.

    Whether its guest wants one is the caller's to know. It tells no change: the booking's version stays.
    """
    if not has_contact(booked):
        return
    links = _links_in_tx(connection, booked, public_url, _OF_A_BOOKING)
    facts = _facts(booked, house, _link_facts(links))
    unsubscribe_url = _unsubscribe_url_in_tx(connection, booked, public_url) if booked.email else None
    notice = guest_notice("booking.reminder", booked=booked, facts=facts, unsubscribe_url=unsubscribe_url)
    append_in_tx(connection, [notice], now=now)


def tell_staff_in_tx(connection: Connection, kind: str, booked: Any, *, house: House, now: dt.datetime) -> None:
    """Write the notice to the restaurant's address; nothing where it has none."""
    if house.staff_email:
        facts = _facts(booked, house, {"guest": booked.name})
        address = {"email": house.staff_email, "language": house.staff_language}
        append_in_tx(connection, [staff_notice(kind, booked=booked, facts=facts, **address)], now=now)


def _facts(booked: Any, house: House, told: Mapping[str, Any]) -> BookingFacts:
    facts: dict[str, Any] = {
        "booking_id": booked.id,
        "state": booked.state,
        "restaurant": house.name,
        "table": booked.table_name,
        "table_type": booked.table_type,
        "party_size": booked.party_size,
        "starts_at": instant_at(booked.starts_at),
        "ends_at": instant_at(booked.ends_at),
        "time_zone": booked.time_zone,
        "price": booked.price,
        "decide_by": instant_at(booked.decide_by) if booked.decide_by is not None else None,
        "reason": booked.reason,
    }
    return BookingFacts(**{**facts, **told})


def _links_in_tx(
    connection: Connection, booked: Any, public_url: str, purposes: Collection[TokenPurpose]
) -> dict[TokenPurpose, str]:
    """Only digests are kept, so that every message has tokens of its own."""
    tokens = {purpose: secrets.token_urlsafe(_TOKEN_BYTES) for purpose in purposes}
    kept: dict[str, Any] = {"of_booking": booked.id, "until": booked.ends_at}
    for number, (purpose, token) in enumerate(tokens.items()):
        kept |= {f"digest_{number}": digest_of(token), f"purpose_{number}": purpose.value}
    send_later(connection, _keep_tokens(len(tokens))(**kept))
    return {purpose: f"{public_url}{_PATHS[purpose]}?id={token}" for purpose, token in tokens.items()}


@lru_cache
def _keep_tokens(count: int) -> Statement:
    """The insert of so many tokens of one booking."""
    rows: list[dict[str, BindParameter[Any]]] = [
        {
            "digest": bindparam(f"digest_{number}"),
            "booking_id": bindparam("of_booking"),
            "purpose": bindparam(f"purpose_{number}"),
            "expires_at": bindparam("until"),
        }
        for number in range(count)
    ]
    return Statement(insert(guest_token).values(rows))


def _unsubscribe_url_in_tx(connection: Connection, booked: Any, public_url: str) -> str:
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    keep_reminder_link_in_tx(connection, token=token, booked=booked)
    return f"{public_url}{_UNSUBSCRIBE}?id={token}"


def _link_facts(links: Mapping[TokenPurpose, str]) -> dict[str, str]:
    return {"cancel_url": links.get(TokenPurpose.CANCEL, ""), "booking_url": links.get(TokenPurpose.VIEW, "")}

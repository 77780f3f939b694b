"""A guest's order, and a booking that staff make for somebody who telephones or stands at the door."""

import datetime as dt
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, insert

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.errors import SlotTaken, TableNotBookable
from bookwell.tables.bookings.locks import lock_contact
from bookwell.tables.bookings.models import booking
from bookwell.tables.bookings.queries import get_outlook, list_alternatives
from bookwell.tables.bookings.rules import (
    Actor,
    Exemption,
    OrderFacts,
    Slot,
    State,
    check_order,
    decide_by,
    escalate_at,
)
from bookwell.tables.bookings.services.changing import flag_waiting_in_tx, note_step_in_tx, told_of_table
from bookwell.tables.bookings.services.telling import tell_guest_in_tx
from bookwell.tables.floor.errors import TableNotFound
from bookwell.tables.floor.locks import lock_tables, share_table
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import FOREVER, House, check_period, instant_of, slot_minutes
from bookwell.tables.floor.services.occupying import occupy_in_tx

__all__ = ["OrderRequest", "place_order", "set_booking"]

_BOOK = insert(booking).returning(booking.c.id)
_GUEST = Actor("guest")


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a guest asks for. `starts_at` without a zone is the restaurant's wall time.

    Without `minutes` it is for as long as the house gives a party of that size.

    `email` and `phone` are normalised already; `from_address` is where the order came from.
    """

    table_id: int
    starts_at: dt.datetime
    party_size: int
    minutes: int | None = None
    name: str = ""
    email: str = ""
    phone: str = ""
    comment: str = ""
    locale: str = "en"
    from_address: str = ""


def place_order(
    connection: Connection,
    *,
    request: OrderRequest,
    public_url: str,
    now: dt.datetime,
    exemption: Exemption = Exemption.NONE,
    actor: Actor = _GUEST,
) -> Any:
    """An order that waits for a decision and takes the table from nobody; the guest is told that it was received.

    Raises:
        TableNotFound, TableNotBookable: if there is no such table for guests.
        WallTimeMissing, WallTimeAmbiguous: if the restaurant's clocks do not show the time once.
        DomainError: what `rules.check_order` refuses.
        SlotTaken: if the table is not free then, with alternatives.
    """
    table = share_table(connection, request.table_id)
    house = get_house(connection)  # behind the lock that a change of the settings takes
    slot = _slot(house, request)
    price = _check(connection, house, request, slot, table, exemption=exemption, now=now)
    deadline = decide_by(house, starts_at=slot.starts_at, now=now)
    waiting = {
        "state": State.REQUESTED.value,
        "decide_by": milliseconds(deadline),
        "escalate_at": milliseconds(escalate_at(deadline=deadline, now=now)),
    }
    booked = _insert(connection, house, request, slot, table, actor=actor, now=now, price=price, **waiting)
    tell_guest_in_tx(connection, "booking.requested", booked, house=house, public_url=public_url, now=now)
    return booked


def set_booking(
    connection: Connection, *, request: OrderRequest, actor: Actor, public_url: str, now: dt.datetime
) -> Any:
    """A confirmed booking made by staff, beyond the limits for guests; the guest is told where there is a contact.

    Raises:
        TableNotFound, TableNotBookable: if there is no such table.
        WallTimeMissing, WallTimeAmbiguous: if the restaurant's clocks do not show the time once.
        SlotTaken: if the table is not free then, with alternatives.
    """
    table = lock_tables(connection, [request.table_id]).get(request.table_id)
    house = get_house(connection)
    slot = _slot(house, request)
    price = _check(connection, house, request, slot, table, exemption=Exemption.ALL, now=now)
    made = {"state": State.CONFIRMED.value, "decide_by": None, "escalate_at": None}
    booked = _insert(connection, house, request, slot, table, actor=actor, now=now, price=price, **made)
    ends_at = slot.ends_at + house.buffer
    occupy_in_tx(connection, table_id=booked.table_id, booking_id=booked.id, starts_at=slot.starts_at, ends_at=ends_at)
    flag_waiting_in_tx(connection, house, table_id=booked.table_id, starts_at=booked.starts_at, ends_at=booked.ends_at)
    tell_guest_in_tx(connection, "booking.confirmed", booked, house=house, public_url=public_url, now=now)
    return booked


def _slot(house: House, request: OrderRequest) -> Slot:
    starts_at = instant_of(request.starts_at, house.zone)
    minutes = request.minutes if request.minutes is not None else slot_minutes(house, request.party_size)
    check_period(starts_at, FOREVER)
    ends_at = starts_at + dt.timedelta(minutes=minutes)
    check_period(starts_at, ends_at)
    return Slot(starts_at, ends_at)


def _check(
    connection: Connection,
    house: House,
    request: OrderRequest,
    slot: Slot,
    table: Any,
    *,
    exemption: Exemption,
    now: dt.datetime,
) -> int:
    """The price of what may be booked."""
    if table is None:
        raise TableNotFound
    if table.retired_at is not None:
        raise TableNotBookable
    contact = {}
    if exemption is Exemption.NONE:
        contact = {"email": request.email, "phone": request.phone, "from_address": request.from_address}
        lock_contact(connection, [f"{kind}:{value}" for kind, value in contact.items() if value])
    held_until = slot.ends_at + house.buffer
    place: dict[str, Any] = {"table_id": table.id, "starts_at": slot.starts_at, "held_until": held_until}
    outlook = get_outlook(connection, **place, now=now, contact=contact)
    facts = OrderFacts(
        slot=slot,
        party_size=request.party_size,
        seats=table.seats,
        can_be_booked=table.can_be_booked,
        has_contact=bool(request.email or request.phone),
        open_of_contact=outlook.of_contact,
        open_of_address=outlook.of_address,
    )
    check_order(facts, house, exemption=exemption, now=now)
    if outlook.is_held:
        wanted = SimpleNamespace(
            starts_at=milliseconds(slot.starts_at), ends_at=milliseconds(slot.ends_at), party_size=request.party_size
        )
        raise SlotTaken(alternatives=list_alternatives(connection, house, booked=wanted, now=now))
    return outlook.price


def _insert(
    connection: Connection,
    house: House,
    request: OrderRequest,
    slot: Slot,
    table: Any,
    *,
    actor: Actor,
    now: dt.datetime,
    **standing: Any,
) -> Any:
    values = {
        **standing,
        "table_id": table.id,
        "version": 1,
        "starts_at": milliseconds(slot.starts_at),
        "ends_at": milliseconds(slot.ends_at),
        "time_zone": house.time_zone,
        "party_size": request.party_size,
        "name": request.name,
        "email": request.email,
        "phone": request.phone,
        "comment": request.comment,
        "locale": request.locale,
        "from_address": request.from_address,
        "made_by": str(actor),
        "made_at": milliseconds(now),
        "slot_taken": False,
        "decided": None,
        "decided_version": 0,
        "backoffice_ref": "",
        "reason": "",
    }
    made = connection.execute(_BOOK, values)
    booked = SimpleNamespace(id=int(made.scalar_one()), **values, **told_of_table(table))
    note_step_in_tx(connection, booked, action="ordered" if booked.decide_by else "set", actor=actor, now=now)
    return booked

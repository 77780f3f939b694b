"""A guest's order, and a booking that staff make for somebody who telephones or stands at the door."""

import datetime as dt
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert

from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.errors import SlotTaken, TableNotBookable
from bookwell.tables.bookings.locks import lock_contact
from bookwell.tables.bookings.models import booking
from bookwell.tables.bookings.queries import Outlook, get_outlook, list_alternatives
from bookwell.tables.bookings.rules import (
    Actor,
    Exemption,
    OrderFacts,
    Slot,
    State,
    check_order,
    decide_by,
    escalate_at,
    mailbox_of,
)
from bookwell.tables.bookings.services.changing import flag_waiting_in_tx, note_step_in_tx, told_of_table
from bookwell.tables.bookings.services.telling import tell_guest_in_tx
from bookwell.tables.floor.locks import lock_tables, share_table
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import FOREVER, House, check_period, instant_of, slot_minutes
from bookwell.tables.floor.services.occupying import hold_in_tx

__all__ = ["OrderRequest", "place_order", "set_booking"]

_BOOK = Statement(insert(booking))
_GUEST = Actor("guest")
_UTC = ZoneInfo("UTC")


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
    share_table(connection, request.table_id)
    outlook, slot = _look(connection, request, exemption=exemption, now=now)
    deadline = decide_by(outlook.house, starts_at=slot.starts_at, now=now)
    waiting = {
        "state": State.REQUESTED.value,
        "decide_by": milliseconds(deadline),
        "escalate_at": milliseconds(escalate_at(deadline=deadline, now=now)),
    }
    booked = _insert(connection, outlook, request, slot, actor=actor, now=now, **waiting)
    tell_guest_in_tx(connection, "booking.requested", booked, house=outlook.house, public_url=public_url, now=now)
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
    lock_tables(connection, [request.table_id])
    outlook, slot = _look(connection, request, exemption=Exemption.ALL, now=now)
    house = outlook.house
    made = {"state": State.CONFIRMED.value, "decide_by": None, "escalate_at": None}
    booked = _insert(connection, outlook, request, slot, actor=actor, now=now, **made)
    ends_at = slot.ends_at + house.buffer
    hold_in_tx(connection, table_id=booked.table_id, booking_id=booked.id, starts_at=slot.starts_at, ends_at=ends_at)
    flag_waiting_in_tx(connection, house, table_id=booked.table_id, starts_at=booked.starts_at, ends_at=booked.ends_at)
    tell_guest_in_tx(connection, "booking.confirmed", booked, house=house, public_url=public_url, now=now)
    return booked


def _look(
    connection: Connection, request: OrderRequest, *, exemption: Exemption, now: dt.datetime
) -> tuple[Outlook, Slot]:
    """What the order meets, and its time, behind the locks: of the table, which the settings' change takes too.

    Raises:
        DomainError: if that time, or this table then, is not to be had.
    """
    contact = {}
    if exemption is Exemption.NONE:
        contact = {"mailbox": mailbox_of(request.email), "phone": request.phone, "from_address": request.from_address}
        lock_contact(connection, [f"{kind}:{value}" for kind, value in contact.items() if value])
    zone = _UTC if request.starts_at.tzinfo else get_house(connection).zone
    starts_at = instant_of(request.starts_at, zone)
    outlook = get_outlook(connection, table_id=request.table_id, starts_at=starts_at, now=now, contact=contact)
    slot = _slot(outlook.house, request, starts_at)
    _check(connection, outlook, request, slot, exemption=exemption, now=now)
    return outlook, slot


def _slot(house: House, request: OrderRequest, starts_at: dt.datetime) -> Slot:
    minutes = request.minutes if request.minutes is not None else slot_minutes(house, request.party_size)
    check_period(starts_at, FOREVER)
    ends_at = starts_at + dt.timedelta(minutes=minutes)
    check_period(starts_at, ends_at)
    return Slot(starts_at, ends_at)


def _check(
    connection: Connection,
    outlook: Outlook,
    request: OrderRequest,
    slot: Slot,
    *,
    exemption: Exemption,
    now: dt.datetime,
) -> None:
    table, house = outlook.table, outlook.house
    if table.retired_at is not None:
        raise TableNotBookable
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
    if outlook.held_from < milliseconds(slot.ends_at + house.buffer):
        wanted = SimpleNamespace(
            starts_at=milliseconds(slot.starts_at), ends_at=milliseconds(slot.ends_at), party_size=request.party_size
        )
        raise SlotTaken(alternatives=list_alternatives(connection, house, booked=wanted, now=now))


def _insert(
    connection: Connection,
    outlook: Outlook,
    request: OrderRequest,
    slot: Slot,
    *,
    actor: Actor,
    now: dt.datetime,
    **standing: Any,
) -> Any:
    values = {
        **standing,
        "id": outlook.booking_id,
        "price": outlook.price,
        "table_id": outlook.table.id,
        "version": 1,
        "starts_at": milliseconds(slot.starts_at),
        "ends_at": milliseconds(slot.ends_at),
        "time_zone": outlook.house.time_zone,
        "party_size": request.party_size,
        "name": request.name,
        "email": request.email,
        "mailbox": mailbox_of(request.email),
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
    send_later(connection, _BOOK(**values))
    booked = SimpleNamespace(**values, **told_of_table(outlook.table))
    note_step_in_tx(connection, booked, action="ordered" if booked.decide_by else "set", actor=actor, now=now)
    return booked

"""Another table or time for an order or a booking."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, update

from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.tables.bookings.errors import OrderExpired, SlotTaken, StateRefused, TableNotBookable
from bookwell.tables.bookings.locks import lock_booking
from bookwell.tables.bookings.models import guest_token
from bookwell.tables.bookings.queries import list_alternatives
from bookwell.tables.bookings.rules import OPEN_STATES, Actor, State, decide_by, escalate_at
from bookwell.tables.bookings.services.changing import change_in_tx, flag_waiting_in_tx
from bookwell.tables.bookings.services.telling import tell_of_move_in_tx
from bookwell.tables.floor.errors import TableNotFound
from bookwell.tables.floor.locks import lock_tables
from bookwell.tables.floor.queries import get_house, is_held_by_others
from bookwell.tables.floor.rules import FOREVER, House, check_period, instant_of
from bookwell.tables.floor.services.occupying import occupy_in_tx

__all__ = ["move_booking"]


def move_booking(
    connection: Connection,
    *,
    booking_id: int,
    actor: Actor,
    public_url: str,
    now: dt.datetime,
    table_id: int | None = None,
    starts_at: dt.datetime | None = None,
    minutes: int | None = None,
) -> Any:
    """Move what is open; it keeps its price and, without `minutes`, its length. The guest is told what changed.

    Whoever moves it to where it is changes nothing and tells nobody.

    Raises:
        BookingNotFound, TableNotFound: if there is none.
        TableNotBookable: if the other table was removed, or cannot be booked.
        StateRefused: if the booking is over, or its guests sit.
        OrderExpired: if nobody decided the order in time.
        SlotTaken: if the table is not free then, with alternatives.
    """
    booked = lock_booking(connection, booking_id, and_table=table_id)
    if State(booked.state) not in OPEN_STATES:
        raise StateRefused(f"A booking that is {booked.state} cannot be moved.")
    if booked.decide_by is not None and booked.decide_by <= milliseconds(now):
        raise OrderExpired
    house = get_house(connection)
    values = _values(house, booked, table_id, starts_at, minutes)
    if all(getattr(booked, name) == value for name, value in values.items()):
        return booked
    values["time_zone"] = house.time_zone
    table = _check_target(connection, house, booked, values, now)
    if booked.decide_by is not None:
        values |= _waiting(house, booked, instant_at(values["starts_at"]), now)
    moved = change_in_tx(connection, booked, action="moved", actor=actor, now=now, to_table=table, **values)
    _take_along(connection, house, booked, moved)
    tell_of_move_in_tx(connection, booked, moved, house=house, public_url=public_url, now=now)
    return moved


def _values(
    house: House, booked: Any, table_id: int | None, starts_at: dt.datetime | None, minutes: int | None
) -> dict[str, Any]:
    start = instant_of(starts_at, house.zone) if starts_at else instant_at(booked.starts_at)
    check_period(start, FOREVER)
    length = dt.timedelta(milliseconds=booked.ends_at - booked.starts_at)
    end = start + (dt.timedelta(minutes=minutes) if minutes is not None else length)
    check_period(start, end)
    place = booked.table_id if table_id is None else table_id
    return {"table_id": place, "starts_at": milliseconds(start), "ends_at": milliseconds(end)}


def _waiting(house: House, booked: Any, starts_at: dt.datetime, now: dt.datetime) -> dict[str, Any]:
    """How an order waits on: no longer than it did, and with its staff reminded before that is over."""
    deadline = min(instant_at(booked.decide_by), decide_by(house, starts_at=starts_at, now=now))
    half_way = milliseconds(escalate_at(deadline=deadline, now=now))
    reminded_at = None if booked.escalate_at is None else min(booked.escalate_at, half_way)
    return {"decide_by": milliseconds(deadline), "escalate_at": reminded_at, "slot_taken": False}


def _check_target(connection: Connection, house: House, booked: Any, values: dict[str, Any], now: dt.datetime) -> Any:
    """The table that it goes to, which is free then."""
    table = lock_tables(connection, [values["table_id"]]).get(values["table_id"])
    if table is None:
        raise TableNotFound
    if table.retired_at is not None or not (table.can_be_booked or table.id == booked.table_id):
        raise TableNotBookable
    start, end = instant_at(values["starts_at"]), instant_at(values["ends_at"]) + house.buffer
    if is_held_by_others(connection, table.id, starts_at=start, ends_at=end, booking_id=booked.id):
        wanted = SimpleNamespace(**{**values, "party_size": booked.party_size})
        raise SlotTaken(alternatives=list_alternatives(connection, house, booked=wanted, now=now))
    return table


def _take_along(connection: Connection, house: House, before: Any, moved: Any) -> None:
    """What the booking holds, its tokens' end, and the flags of orders at both places."""
    if State(moved.state) is State.CONFIRMED:
        ends_at = instant_at(moved.ends_at) + house.buffer
        period = {"starts_at": instant_at(moved.starts_at), "ends_at": ends_at}
        occupy_in_tx(connection, table_id=moved.table_id, booking_id=moved.id, **period)
    tokens = update(guest_token).where(guest_token.c.booking_id == moved.id)
    connection.execute(tokens.values(expires_at=moved.ends_at))
    for place in (before, moved):
        flag_waiting_in_tx(connection, house, table_id=place.table_id, starts_at=place.starts_at, ends_at=place.ends_at)

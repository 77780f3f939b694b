"""How a booking changes: its row, the step that says who and why, and what the table is held for."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, insert, update

from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.models import booking, booking_step
from bookwell.tables.bookings.rules import Actor, State, check_transition
from bookwell.tables.bookings.services.publishing import publish_in_tx
from bookwell.tables.floor.models import occupancy
from bookwell.tables.floor.rules import LONGEST_BUFFER, House
from bookwell.tables.floor.services.occupying import release_in_tx

__all__ = ["change_in_tx", "end_in_tx", "flag_waiting_in_tx", "is_in_the_way", "note_step_in_tx", "told_of_table"]

_FARTHEST = LONGEST_BUFFER // dt.timedelta(milliseconds=1)
_CHANGE = Statement(update(booking).where(booking.c.id == bindparam("changed_id")))
_STEP = Statement(insert(booking_step))


def change_in_tx(
    connection: Connection,
    booked: Any,
    *,
    action: str,
    actor: Actor,
    reason: str = "",
    now: dt.datetime,
    to_table: Any = None,
    **values: Any,
) -> Any:
    """Write new values into a locked booking and note the step; the booking as it is then, at the table it goes to.

    Of a guest who was forgotten nothing new is kept: no `reason` either.

    Raises:
        StateRefused: if `state` is among them and the booking cannot get there.
    """
    if "state" in values:
        check_transition(State(booked.state), State(values["state"]))
    changes = {**values, "version": booked.version + 1, "reason": reason if booked.cleared_at is None else ""}
    send_later(connection, _CHANGE(changed_id=booked.id, **changes))
    before = booked._asdict() if hasattr(booked, "_asdict") else vars(booked)  # a public name of rows
    after = SimpleNamespace(**{**before, **changes, **(told_of_table(to_table) if to_table else {})})
    note_step_in_tx(connection, after, action=action, actor=actor, now=now)
    return after


def end_in_tx(
    connection: Connection, booked: Any, *, state: State, actor: Actor, reason: str, now: dt.datetime, **values: Any
) -> Any:
    """Let a locked booking end in a state and give free what it held."""
    ended = change_in_tx(
        connection,
        booked,
        action=state.value,
        actor=actor,
        reason=reason,
        now=now,
        state=state.value,
        decide_by=None,
        escalate_at=None,
        slot_taken=False,
        **values,
    )
    if State(booked.state) is not State.REQUESTED:
        release_in_tx(connection, booking_ids=[booked.id])
    return ended


def note_step_in_tx(connection: Connection, booked: Any, *, action: str, actor: Actor, now: dt.datetime) -> None:
    """Keep who brought the booking to its version, and why, and tell the back office."""
    step = {"booking_id": booked.id, "version": booked.version, "at": milliseconds(now), "action": action}
    told = {"state": booked.state, "actor": str(actor), "reason": booked.reason}
    send_later(connection, _STEP(**step, **told))
    publish_in_tx(connection, booked, action=action, actor=actor, now=now)


def is_in_the_way(house: House) -> ColumnElement[bool]:
    """Whether a row of `occupancy` keeps an order's table from it; both with the cleaning of their own time."""
    return and_(
        occupancy.c.table_id == booking.c.table_id,
        occupancy.c.starts_at < booking.c.ends_at + house.buffer_minutes * 60_000,
        occupancy.c.ends_at > booking.c.starts_at,
    )


def flag_waiting_in_tx(connection: Connection, house: House, *, table_id: int, starts_at: int, ends_at: int) -> None:
    """Flag the orders around a time (in milliseconds) whose table is not free any more, and unflag the others.

    So far around it as any cleaning may take: that of a booking may be from before the settings were changed.
    """
    taken = exists().where(is_in_the_way(house))
    around = and_(
        booking.c.table_id == table_id,
        booking.c.state == State.REQUESTED.value,
        booking.c.starts_at < ends_at + _FARTHEST,
        booking.c.ends_at > starts_at - _FARTHEST,
    )
    connection.execute(update(booking).where(around, booking.c.slot_taken != taken).values(slot_taken=taken))


def told_of_table(table: Any) -> dict[str, Any]:
    """A row of a table in the words of `models.booking_at_table`."""
    return {"table_name": table.name, "table_type": table.table_type, "table_seats": table.seats}

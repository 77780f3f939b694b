"""Reminders the day before."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, or_, select, update

from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.tables.bookings.locks import lock_booking
from bookwell.tables.bookings.models import booking, booking_step
from bookwell.tables.bookings.rules import State, is_reminder_due
from bookwell.tables.bookings.services.telling import remind_in_tx
from bookwell.tables.bookings.services.unsubscribing import has_opted_out
from bookwell.tables.floor.queries import get_house

__all__ = ["list_remindable", "remind_guest"]

_LONGEST_BEFORE = dt.timedelta(hours=30)
"""More than the hours between a reminder and its booking, on the day the clocks change too."""


def list_remindable(connection: Connection, *, now: dt.datetime, limit: int) -> list[int]:
    """Ids of bookings for `remind_guest`, the next one first."""
    ahead = (
        select(booking, booking_step.c.at.label("told_at"))
        .join(booking_step, (booking_step.c.booking_id == booking.c.id) & (booking_step.c.version == booking.c.version))
        .where(
            booking.c.state == State.CONFIRMED.value,
            booking.c.starts_at > milliseconds(now),
            booking.c.starts_at <= milliseconds(now + _LONGEST_BEFORE),
            or_(booking.c.email != "", booking.c.phone != ""),
            or_(booking.c.reminded_at.is_(None), booking.c.reminded_at < booking_step.c.at),
        )
        .order_by(booking.c.starts_at, booking.c.id)
    )
    return [row.id for row in connection.execute(ahead) if _is_due(row, row.told_at, now)][:limit]


def remind_guest(connection: Connection, *, booking_id: int, public_url: str, now: dt.datetime) -> bool:
    """Remind a guest of a confirmed booking; False if there is no need any more, or the guest wants no reminders.

    Raises:
        BookingNotFound: if there is none.
    """
    booked = lock_booking(connection, booking_id)
    last = (booking_step.c.booking_id == booking_id) & (booking_step.c.version == booked.version)
    told_at = connection.scalar(select(booking_step.c.at).where(last))
    if State(booked.state) is not State.CONFIRMED or told_at is None or not _is_due(booked, told_at, now):
        return False
    connection.execute(update(booking).where(booking.c.id == booking_id).values(reminded_at=milliseconds(now)))
    if has_opted_out(connection, booked):
        return False
    house = get_house(connection)
    remind_in_tx(connection, booked, house=house, public_url=public_url, now=now)
    return True


def _is_due(booked: Any, told_at: int, now: dt.datetime) -> bool:
    return is_reminder_due(
        starts_at=instant_at(booked.starts_at),
        told_at=instant_at(told_at),
        reminded_at=None if booked.reminded_at is None else instant_at(booked.reminded_at),
        zone=ZoneInfo(booked.time_zone),
        now=now,
    )

"""Closing tables or the restaurant, and opening them again; removing a table; other settings.

Each first lists the orders and bookings it hits. The real call ends them in the same transaction and tells every guest:
orders are declined, bookings cancelled.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.tables.bookings.locks import lock_bookings
from bookwell.tables.bookings.models import booking, booking_at_table
from bookwell.tables.bookings.queries import list_hit, list_offers
from bookwell.tables.bookings.rules import OPEN_STATES, Actor, State
from bookwell.tables.bookings.services.changing import end_in_tx, flag_waiting_in_tx
from bookwell.tables.bookings.services.telling import tell_guest_in_tx
from bookwell.tables.floor.errors import TableNotFound, TableRetired
from bookwell.tables.floor.locks import lock_all_tables, lock_restaurant, lock_tables
from bookwell.tables.floor.queries import get_house, list_closures
from bookwell.tables.floor.rules import FOREVER, House, check_period, instant_of, is_open
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.floor.services.occupying import close_in_tx
from bookwell.tables.floor.services.opening import open_in_tx
from bookwell.tables.floor.services.tables import retire_table_in_tx

__all__ = ["Closing", "Opening", "change_house", "close_tables", "open_tables", "remove_table"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What is opened, and why: one table, or the restaurant without `table_id`; from now and for good by default.

    A time without a zone is the restaurant's wall time.
    """

    table_id: int | None
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """What is closed, and why; as `Opening`."""

    table_id: int | None
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    reason: str = ""


def close_tables(
    connection: Connection, *, closing: Closing, actor: Actor, public_url: str, now: dt.datetime, is_dry_run: bool
) -> Sequence[Any]:
    """Close for a period; answers the bookings that it hits, as they were.

    Raises:
        TableNotFound, TableRetired: if there is no such table in use.
        PeriodInvalid: if the period ends before it begins, or is over.
        WallTimeMissing, WallTimeAmbiguous: if the restaurant's clocks do not show a time once.
    """
    table_ids = _lock(connection, closing.table_id)
    house = get_house(connection)
    starts_at, ends_at = _period(house, closing, now)
    since = max(starts_at, now)
    hit = list_hit(connection, table_ids=table_ids, starts_at=since, ends_at=ends_at, buffer=house.buffer)
    hit = [each for each in hit if milliseconds(now) < each.ends_at]
    if is_dry_run:
        return hit
    ended = _end(connection, hit, actor=actor, reason=closing.reason, now=now)
    close_in_tx(
        connection,
        table_ids=table_ids,
        is_restaurant=closing.table_id is None,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=closing.reason,
        actor=str(actor),
        now=now,
    )
    _tell(connection, house, ended, actor=actor, public_url=public_url, now=now)
    return hit


def open_tables(
    connection: Connection, *, opening: Opening, actor: Actor, now: dt.datetime, is_dry_run: bool = False
) -> Sequence[Any]:
    """Take back the closures of a table, or those of the restaurant, in a period; answers them, as they were.

    A table stays closed while the restaurant is.

    Raises:
        TableNotFound, TableRetired: if there is no such table in use.
        PeriodInvalid: if the period ends before it begins, or is over.
        WallTimeMissing, WallTimeAmbiguous: if the restaurant's clocks do not show a time once.
    """
    table_ids = _lock(connection, opening.table_id)
    house = get_house(connection)
    starts_at, ends_at = _period(house, opening, now)
    closures = list_closures(connection, table_id=opening.table_id, starts_at=starts_at, ends_at=ends_at)
    if is_dry_run or not closures:
        return closures
    open_in_tx(
        connection,
        closures=closures,
        table_ids=table_ids,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=opening.reason,
        actor=str(actor),
        now=now,
    )
    around = {"starts_at": milliseconds(starts_at), "ends_at": milliseconds(ends_at)}
    for each in table_ids:
        flag_waiting_in_tx(connection, house, table_id=each, **around)
    return closures


def remove_table(
    connection: Connection, *, table_id: int, actor: Actor, public_url: str, now: dt.datetime, is_dry_run: bool
) -> Sequence[Any]:
    """Retire a table; answers the bookings that it hits, as they were. Nothing of it is erased.

    Raises:
        TableNotFound, TableRetired: if there is no such table in use.
    """
    _lock(connection, table_id)
    house = get_house(connection)
    hit = list_hit(connection, table_ids=[table_id], starts_at=now, ends_at=FOREVER, buffer=dt.timedelta(0))
    if is_dry_run:
        return hit
    ended = _end(connection, hit, actor=actor, reason="", now=now)
    retire_table_in_tx(connection, table_id=table_id, now=now)
    _tell(connection, house, ended, actor=actor, public_url=public_url, now=now)
    return hit


def change_house(
    connection: Connection, *, house: House, actor: Actor, public_url: str, now: dt.datetime, is_dry_run: bool
) -> Sequence[Any]:
    """Other settings; answers the bookings to come that only the new opening hours leave out, as they were.

    Bookings keep the instants they were made for, whatever the zone is then. What staff booked beyond the hours before
    stays.
    """
    lock_restaurant(connection)
    table_ids = lock_all_tables(connection)
    before = get_house(connection)
    hit = [row for row in _list_ahead(connection, now) if _fits(before, row) and not _fits(house, row)]
    if is_dry_run:
        return hit
    ended = _end(connection, hit, actor=actor, reason="", now=now)
    keep_house_in_tx(connection, house=house, now=now)
    for each in table_ids if house.buffer != before.buffer else ():
        flag_waiting_in_tx(connection, house, table_id=each, starts_at=milliseconds(now), ends_at=milliseconds(FOREVER))
    _tell(connection, house, ended, actor=actor, public_url=public_url, now=now)
    return hit


def _period(house: House, wanted: Opening | Closing, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    starts_at = instant_of(wanted.starts_at, house.zone) if wanted.starts_at else now
    ends_at = instant_of(wanted.ends_at, house.zone) if wanted.ends_at else FOREVER
    check_period(max(starts_at, now), ends_at)
    return starts_at, ends_at


def _lock(connection: Connection, table_id: int | None) -> list[int]:
    if table_id is None:
        lock_restaurant(connection)
        return list(lock_all_tables(connection))
    table = lock_tables(connection, [table_id]).get(table_id)
    if table is None:
        raise TableNotFound
    if table.retired_at is not None:
        raise TableRetired
    return [table_id]


def _list_ahead(connection: Connection, now: dt.datetime) -> Sequence[Any]:
    ahead = booking_at_table.where(booking.c.state.in_(sorted(OPEN_STATES)), booking.c.starts_at > milliseconds(now))
    return connection.execute(ahead.order_by(booking.c.starts_at, booking.c.id)).all()


def _fits(house: House, booked: Any) -> bool:
    return is_open(house, instant_at(booked.starts_at), instant_at(booked.ends_at))


def _end(connection: Connection, hit: Collection[Any], *, actor: Actor, reason: str, now: dt.datetime) -> list[Any]:
    """The tables are locked, so that the bookings are still as they were listed."""
    ended = []
    for booked in lock_bookings(connection, [row.id for row in hit]):
        state = State.DECLINED if State(booked.state) is State.REQUESTED else State.CANCELLED
        ended.append(end_in_tx(connection, booked, state=state, actor=actor, reason=reason, now=now))
    return ended


def _tell(
    connection: Connection, house: House, ended: Collection[Any], *, actor: Actor, public_url: str, now: dt.datetime
) -> None:
    """Say it when everything is done: what each left free may be there for others."""
    for booked in ended:
        flag_waiting_in_tx(
            connection, house, table_id=booked.table_id, starts_at=booked.starts_at, ends_at=booked.ends_at
        )
        free = list_offers(connection, house, booked=booked, now=now)
        told: dict[str, Any] = {"house": house, "public_url": public_url, "now": now, "alternatives": tuple(free)}
        was_confirmed = State(booked.state) is State.CANCELLED  # what only waited was declined
        kind = f"booking.{booked.state}"
        tell_guest_in_tx(connection, kind, booked, ended_by=actor.kind, was_confirmed=was_confirmed, **told)

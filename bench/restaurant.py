"""A restaurant with any number of bookings, the same at every run, in a PostgreSQL database.

Tables have numbers from 1. Every day has six slots at each; in the days ahead the even ones are booked, the odd ones
free. What else there is lies in the past. `orders` wait for the odd slots ahead, one each, behind all other bookings.
"""

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House, Span, TableType
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.floor.services.tables import add_table

__all__ = ["Restaurant", "Slot", "fill", "put_back"]

TABLES = 50
_DAYS = 60
_SLOTS = 6
_OPENS_AT = 12 * 60
_MINUTES, _BUFFER = 90, 15
_SEATS = (2, 2, 4, 4, 6)
_TYPES = tuple(TableType)
_AHEAD = TABLES * _DAYS * _SLOTS // 2

_BOOKING = """
INSERT INTO booking (table_id, state, version, starts_at, ends_at, time_zone, party_size, price, name, email, phone,
  comment, locale, from_address, made_by, made_at, slot_taken, decide_by, decided_version, backoffice_ref, reason)
SELECT place, {state}, {version}, starts_at, starts_at + {length}, 'UTC', 2, 2500, 'A guest',
  'guest' || i || '@example.org', '', '', 'en', '', 'guest', starts_at - 864000000, false, {decide_by}, 0, '', ''
FROM (SELECT i, i % {tables} + 1 AS place, {starts_at} AS starts_at FROM generate_series(0, {count} - 1) AS i) AS slot
ORDER BY i
"""
_STEPS = """
INSERT INTO booking_step (booking_id, version, at, action, state, actor, reason)
SELECT id, made, made_at, CASE made WHEN 1 THEN 'ordered' ELSE 'confirmed' END,
  CASE made WHEN 1 THEN 'requested' ELSE 'confirmed' END, 'guest', ''
FROM booking, generate_series(1, version) AS made
"""
_OCCUPANCY = f"""
INSERT INTO occupancy (table_id, kind, starts_at, ends_at, booking_id)
SELECT table_id, 'booking', starts_at, ends_at + {_BUFFER * 60_000}, id FROM booking WHERE state = 'confirmed'
"""
_BUSY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend' AND state <> 'idle'"
)
_QUIET_LOOKS = 5
_PUT_BACK = (
    "TRUNCATE outbox, idempotency_key, guest_token, feed_event",
    "DELETE FROM occupancy WHERE booking_id > {standing}",
    "DELETE FROM booking_step WHERE booking_id > {all} OR (booking_id > {standing} AND version > 1)",
    "DELETE FROM booking WHERE id > {all}",
    "UPDATE booking SET state = 'requested', version = 1, decide_by = starts_at WHERE id > {standing}",
    "VACUUM ANALYZE booking, booking_step, occupancy",
    "CHECKPOINT",
)


@dataclass(frozen=True, slots=True)
class Slot:
    """A table and a time that is free."""

    table_id: int
    starts_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Restaurant:
    """A filled database of `bookings` bookings; `today` is its first day ahead."""

    url: str
    bookings: int
    today: dt.datetime

    @property
    def orders(self) -> range:
        """Ids of the orders that wait."""
        return range(self.bookings + 1, self.bookings + _AHEAD + 1)

    def free_slots(self) -> Iterator[Slot]:
        """Every one of the odd slots ahead."""
        for number in range(_AHEAD):
            day, slot = divmod(number // TABLES, _SLOTS // 2)
            minutes = _OPENS_AT + (2 * slot + 1) * (_MINUTES + _BUFFER)
            yield Slot(number % TABLES + 1, self.today + dt.timedelta(days=day, minutes=minutes))


def fill(url: str, bookings: int, *, now: dt.datetime) -> Restaurant:
    """Fill a migrated, empty database with `bookings` bookings (9 000 at least are ahead), and the orders."""
    today = (now + dt.timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    restaurant = Restaurant(url, bookings, today)
    _furnish(url, now)
    _run(
        url,
        _insert("'completed'", bookings - _AHEAD, starts_at=f"{_first(today)} - (i / {TABLES} + 7) * {_step(4)}"),
        _insert("'confirmed'", _AHEAD, starts_at=_ahead(today, odd=0)),
        _insert("'requested'", _AHEAD, starts_at=_ahead(today, odd=1), version=1, decide_by="starts_at"),
        _STEPS,
        _OCCUPANCY,
        "VACUUM ANALYZE",
    )
    return restaurant


def put_back(restaurant: Restaurant) -> None:
    """Let it be as it was filled, once nobody works on it any more."""
    _wait_until_idle(restaurant.url)
    ids = {"standing": restaurant.bookings, "all": restaurant.orders.stop - 1}
    _run(restaurant.url, *(statement.format(**ids) for statement in _PUT_BACK))


def _wait_until_idle(url: str) -> None:
    """Requests whose caller has gone may still be under way."""
    quiet = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while quiet < _QUIET_LOOKS:
            row = connection.execute(_BUSY).fetchone()
            quiet = 0 if row is None or row[0] else quiet + 1
            time.sleep(0.1)


def _furnish(url: str, now: dt.datetime) -> None:
    database = Database.of_url(url, connections=1)
    day = (Span(opens=_OPENS_AT, closes=_OPENS_AT + _SLOTS * (_MINUTES + _BUFFER)),)
    limits: dict[str, Any] = {"open_orders_per_contact": 1_000_000, "open_orders_per_address": 1_000_000}
    house = House(time_zone="UTC", opening=(day,) * 7, buffer_minutes=_BUFFER, **limits)
    database.write(lambda connection: keep_house_in_tx(connection, house=house, now=now))
    for number in range(TABLES):
        kind, seats = _TYPES[number % len(_TYPES)], _SEATS[number % len(_SEATS)]
        what: dict[str, Any] = {"name": "", "table_type": kind, "seats": seats, "price": 2500, "can_be_booked": True}
        database.write(partial(add_table, now=now, **what))
    database.engine.dispose()


def _insert(state: str, count: int, *, starts_at: str, version: int = 2, decide_by: str = "NULL::bigint") -> str:
    length = _MINUTES * 60_000
    words = {"state": state, "version": version, "length": length, "decide_by": decide_by, "tables": TABLES}
    return _BOOKING.format(**words, starts_at=starts_at, count=max(count, 0))


def _ahead(today: dt.datetime, *, odd: int) -> str:
    """The start of the i-th even, or odd, slot: all tables, then the slots of a day, then days."""
    half = _SLOTS // 2
    day = f"(i / {TABLES * half}) * 86400000::bigint"
    return f"{_first(today)} + {day} + (2 * (i / {TABLES} % {half}) + {odd}) * {_step(1)}"


def _first(today: dt.datetime) -> int:
    return int(today.timestamp() * 1000) + _OPENS_AT * 60_000


def _step(slots: int) -> str:
    return f"{slots * (_MINUTES + _BUFFER) * 60_000}::bigint"


def _run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())

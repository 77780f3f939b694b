"""Which times a closure takes around visits that stay, and which it takes when they are given free."""

import datetime as dt
from typing import Any

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services import closing, deciding, ending
from bookwell.tables.bookings.services.closing import Closing, Opening
from bookwell.tables.db import Database
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, holders

HOUR = dt.timedelta(hours=1)
WEEK = dt.timedelta(days=7)


def _confirmed(database: Database, table_id: int, starts_at: dt.datetime) -> int:
    order = an_order(database, table_id, starts_at=starts_at)
    told: dict[str, Any] = {"booking_id": order.id, "actor": STAFF, "public_url": SITE, "now": NOW}
    database.write(lambda connection: deciding.accept_booking(connection, **told))
    return int(order.id)


def _close(database: Database, wanted: Closing, *, now: dt.datetime = NOW) -> None:
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": now, "is_dry_run": False}
    database.write(lambda connection: closing.close_tables(connection, closing=wanted, **told))


def _stay_away(database: Database, booking_id: int, *, now: dt.datetime) -> None:
    told: dict[str, Any] = {"booking_id": booking_id, "state": State.NO_SHOW, "actor": STAFF, "now": now}
    database.write(lambda connection: ending.mark_booking(connection, **told))


def _held(database: Database, table_id: int) -> list[tuple[str, float, float]]:
    """What holds a table, from and to how many hours after `EVENING`."""
    evening, hour = milliseconds(EVENING), HOUR // dt.timedelta(milliseconds=1)
    rows = holders(database, table_id)
    return [(row.kind, (row.starts_at - evening) / hour, (row.ends_at - evening) / hour) for row in rows]


def test_close__between_two_bookings__takes_its_own_time_alone(restaurant: Database) -> None:
    table = a_table(restaurant)
    for hours in (3, -1):
        _confirmed(restaurant, table.id, EVENING + hours * HOUR)

    _close(restaurant, Closing(table.id, EVENING + HOUR, EVENING + 2 * HOUR))

    assert _held(restaurant, table.id) == [("booking", -1, 0.75), ("closure", 1, 2), ("booking", 3, 4.75)]


def test_close__since_before_two_visits__leaves_out_both_in_whatever_order_they_were_booked(
    restaurant: Database,
) -> None:
    table = a_table(restaurant)
    for hours in (2, 0):
        _confirmed(restaurant, table.id, EVENING + hours * HOUR)

    _close(restaurant, Closing(table.id, EVENING - HOUR, EVENING + 5 * HOUR), now=EVENING + 3.5 * HOUR)

    assert _held(restaurant, table.id) == [
        ("closure", -1, 0),
        ("booking", 0, 1.75),
        ("closure", 1.75, 2),
        ("booking", 2, 3.75),
        ("closure", 3.75, 5),
    ]


def test_given_free__inside_a_closure__is_the_closures_to_its_edges(restaurant: Database) -> None:
    table, later = a_table(restaurant), EVENING + 1.5 * HOUR
    visit = _confirmed(restaurant, table.id, EVENING)
    _close(restaurant, Closing(table.id, EVENING + HOUR, EVENING + 5 * HOUR), now=later)
    assert _held(restaurant, table.id) == [("booking", 0, 1.75), ("closure", 1.75, 5)]

    _stay_away(restaurant, visit, now=later)

    assert _held(restaurant, table.id) == [("closure", 1, 1.75), ("closure", 1.75, 5)]


def test_given_free__after_the_closure_was_taken_back__is_free(restaurant: Database) -> None:
    table, later = a_table(restaurant), EVENING + 1.5 * HOUR
    visit = _confirmed(restaurant, table.id, EVENING)
    _close(restaurant, Closing(table.id, EVENING), now=later)
    taken_back: dict[str, Any] = {"opening": Opening(table.id), "actor": STAFF, "now": later}
    restaurant.write(lambda connection: closing.open_tables(connection, **taken_back))

    _stay_away(restaurant, visit, now=later)

    assert _held(restaurant, table.id) == []


def test_given_free__before_and_behind_closures__is_free(restaurant: Database) -> None:
    table = a_table(restaurant)
    visit = _confirmed(restaurant, table.id, EVENING)
    closures = [Closing(table.id, EVENING - HOUR, EVENING), Closing(table.id, EVENING + WEEK, EVENING + WEEK + HOUR)]
    for wanted in closures:
        _close(restaurant, wanted)

    _stay_away(restaurant, visit, now=EVENING)

    assert _held(restaurant, table.id) == [("closure", -1, 0), ("closure", 168, 169)]

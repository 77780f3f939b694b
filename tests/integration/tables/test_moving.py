"""Moving: to where it is already, and after the restaurant's clocks were set to another zone."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings.errors import OrderExpired
from bookwell.tables.bookings.services import deciding, moving
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House
from bookwell.tables.floor.services.house import keep_house_in_tx
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, mails, tables_database

HOUR = dt.timedelta(hours=1)


def _move(database: Database, booking_id: int, **where: Any) -> Any:
    told: dict[str, Any] = {"booking_id": booking_id, "actor": STAFF, "public_url": SITE, "now": NOW, **where}
    return database.write(lambda connection: moving.move_booking(connection, **told))


def test_move__to_where_it_is__changes_nothing_and_tells_nobody(restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)
    told: dict[str, Any] = {"booking_id": order.id, "actor": STAFF, "public_url": SITE, "now": NOW}
    restaurant.write(lambda connection: deciding.accept_booking(connection, **told))
    before = booked(restaurant, order.id)

    moved = _move(restaurant, order.id, table_id=table.id, starts_at=EVENING, minutes=90)

    assert (moved.id, moved.version) == (order.id, 2)
    assert booked(restaurant, order.id) == before
    assert [row.type for row in mails(restaurant, order.id)] == ["booking.requested", "booking.confirmed"]


def test_move__an_order_that_waits__waits_no_longer_and_is_flagged_no_more(restaurant: Database) -> None:
    table, other = a_table(restaurant), a_table(restaurant)
    order, rival = an_order(restaurant, table.id), an_order(restaurant, table.id)
    told: dict[str, Any] = {"booking_id": rival.id, "actor": STAFF, "public_url": SITE, "now": NOW}
    restaurant.write(lambda connection: deciding.accept_booking(connection, **told))
    assert booked(restaurant, order.id).slot_taken

    moved = _move(restaurant, order.id, table_id=other.id, now=NOW + HOUR)

    assert (moved.slot_taken, booked(restaurant, order.id).slot_taken) == (False, False)
    assert moved.decide_by == booked(restaurant, order.id).decide_by == order.decide_by


def test_move__an_order_to_an_earlier_time__waits_until_then(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    moved = _move(restaurant, order.id, starts_at=NOW + HOUR)

    halves = [int((NOW + hours * HOUR).timestamp() * 1000) for hours in (0.5, 1)]
    assert [booked(restaurant, order.id).escalate_at, moved.decide_by] == halves


def test_move__an_order_that_nobody_decided_in_time__is_refused(restaurant: Database) -> None:
    table, other = a_table(restaurant), a_table(restaurant)
    order = an_order(restaurant, table.id)
    before = booked(restaurant, order.id)

    with pytest.raises(OrderExpired):
        _move(restaurant, order.id, table_id=other.id, now=instant_at(order.decide_by))

    assert booked(restaurant, order.id) == before
    assert [row.type for row in mails(restaurant, order.id)] == ["booking.requested"]


def test_move__in_another_zone__is_told_in_the_time_that_staff_chose(tmp_path: Path) -> None:
    with tables_database(tmp_path) as own:
        order = an_order(own, a_table(own).id)
        house = House(time_zone="Europe/London")
        own.write(lambda connection: keep_house_in_tx(connection, house=house, now=NOW))

        eight = dt.datetime(2030, 5, 7, 20, 0)  # noqa: DTZ001 -- the wall time is the point
        moved = _move(own, order.id, starts_at=eight)

        facts = json.loads(mails(own, order.id)[-1].payload)["facts"]
        assert moved.starts_at == int((EVENING + 3 * HOUR).timestamp() * 1000)
        assert (moved.time_zone, facts["time_zone"]) == ("Europe/London", "Europe/London")

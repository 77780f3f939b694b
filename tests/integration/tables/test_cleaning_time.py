"""Another cleaning time: what was confirmed keeps its own, and everybody else sees how long that is."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services import deciding, ending
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House
from bookwell.tables.floor.services.house import keep_house_in_tx
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, tables_database

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A restaurant that took its time."""
    with tables_database(tmp_path) as database:
        _clean_for(database, minutes=60)
        yield database


def _clean_for(database: Database, *, minutes: int) -> None:
    house = House(buffer_minutes=minutes)
    database.write(lambda connection: keep_house_in_tx(connection, house=house, now=NOW))


def _do(database: Database, verb: Callable[..., Any], booking_id: int) -> Any:
    told: dict[str, Any] = {"booking_id": booking_id, "actor": STAFF, "public_url": SITE, "now": NOW}
    return database.write(lambda connection: verb(connection, **told))


def test_shorter__who_waited_for_the_longer_one__is_free_when_it_is_given_up(own: Database) -> None:
    table = a_table(own)
    order, waiting = an_order(own, table.id), an_order(own, table.id, starts_at=EVENING + 2 * HOUR)
    _do(own, deciding.accept_booking, order.id)
    _clean_for(own, minutes=15)
    assert booked(own, waiting.id).slot_taken

    _do(own, ending.cancel_booking, order.id)

    assert not booked(own, waiting.id).slot_taken


def test_shorter__declining_all_that_a_booking_rules_out__knows_the_longer_one(own: Database) -> None:
    table = a_table(own)
    order, waiting = an_order(own, table.id), an_order(own, table.id, starts_at=EVENING + 2 * HOUR)
    later = an_order(own, table.id, starts_at=EVENING + 2.5 * HOUR)
    _do(own, deciding.accept_booking, order.id)
    _clean_for(own, minutes=15)

    declined = _do(own, deciding.decline_all_taken, order.id)

    assert [each.id for each in declined] == [waiting.id]
    assert booked(own, later.id).state == State.REQUESTED

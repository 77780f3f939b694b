"""Closing and opening, removing, other hours: shown first, then done whole, and everybody told."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from bookwell.tables.bookings.errors import SlotTaken, TableNotBookable
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services import closing, deciding, ending, placing
from bookwell.tables.bookings.services.closing import Closing, Opening
from bookwell.tables.bookings.services.placing import OrderRequest
from bookwell.tables.db import Database
from bookwell.tables.floor.errors import PeriodInvalid, TableNotFound, TableRetired, WallTimeAmbiguous, WallTimeMissing
from bookwell.tables.floor.models import closure
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import House, Span
from tests.restaurant import (
    EVENING,
    NOW,
    SITE,
    STAFF,
    a_table,
    an_order,
    booked,
    holders,
    mails,
    tables_database,
)

HOUR = dt.timedelta(hours=1)
BY_STAFF: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A restaurant that a test may close."""
    with tables_database(tmp_path) as database:
        yield database


def _confirmed(database: Database, table_id: int, starts_at: dt.datetime = EVENING) -> Any:
    order = an_order(database, table_id, starts_at=starts_at)
    return database.write(lambda connection: deciding.accept_booking(connection, booking_id=order.id, **BY_STAFF))


def _close(database: Database, wanted: Closing, *, is_dry_run: bool = False) -> list[int]:
    def work(connection: Connection) -> list[int]:
        hit = closing.close_tables(connection, closing=wanted, is_dry_run=is_dry_run, **BY_STAFF)
        return [row.id for row in hit]

    return database.write(work)


def _open(database: Database, wanted: Opening, *, is_dry_run: bool = False) -> list[Any]:
    def work(connection: Connection) -> list[Any]:
        opening: dict[str, Any] = {"opening": wanted, "actor": STAFF, "now": NOW}
        return list(closing.open_tables(connection, is_dry_run=is_dry_run, **opening))

    return database.write(work)


def _closed(database: Database, table_id: int) -> list[tuple[float, float]]:
    """Hours after `EVENING`."""
    evening = EVENING.timestamp() * 1000
    held = [(row.starts_at, row.ends_at) for row in holders(database, table_id)]
    return [((start - evening) / 3_600_000, (end - evening) / 3_600_000) for start, end in held]


def _states(database: Database, *rows: Any) -> list[str]:
    return [booked(database, row.id).state for row in rows]


def test_close__dry_run__shows_what_it_hits_and_changes_nothing(restaurant: Database) -> None:
    table = a_table(restaurant)
    waiting, inside = an_order(restaurant, table.id), _confirmed(restaurant, table.id)
    before, after = (_confirmed(restaurant, table.id, EVENING + h * HOUR) for h in (-3, 3))
    wanted = Closing(table.id, EVENING + HOUR, EVENING + 2 * HOUR)

    hit = _close(restaurant, wanted, is_dry_run=True)

    assert hit == [waiting.id, inside.id]
    assert set(_states(restaurant, inside, before, after)) == {State.CONFIRMED}
    assert {row.kind for row in holders(restaurant, table.id)} == {"booking"}


def test_close__ends_what_it_hits_and_tells_each_guest(restaurant: Database) -> None:
    table = a_table(restaurant)
    waiting, inside = an_order(restaurant, table.id), _confirmed(restaurant, table.id)
    after = _confirmed(restaurant, table.id, EVENING + 3 * HOUR)

    _close(restaurant, Closing(table.id, EVENING + HOUR, EVENING + 2 * HOUR, "a pipe burst"))

    assert _states(restaurant, inside, waiting, after) == [State.CANCELLED, State.DECLINED, State.CONFIRMED]
    assert [row.kind for row in holders(restaurant, table.id)] == ["closure", "booking"]
    assert mails(restaurant, inside.id)[-1].type == "booking.cancelled"
    assert "a pipe burst" in mails(restaurant, inside.id)[-1].payload
    assert mails(restaurant, waiting.id)[-1].type == "booking.declined"
    with pytest.raises(SlotTaken):
        an_order(restaurant, table.id)


def test_close__what_a_cancelled_booking_held__is_there_for_who_waits(restaurant: Database) -> None:
    table = a_table(restaurant)
    waiting, inside = an_order(restaurant, table.id), _confirmed(restaurant, table.id, EVENING + 1.5 * HOUR)
    assert booked(restaurant, waiting.id).slot_taken

    _close(restaurant, Closing(table.id, EVENING + 2 * HOUR, EVENING + 3 * HOUR))

    assert _states(restaurant, waiting, inside) == [State.REQUESTED, State.CANCELLED]
    assert not booked(restaurant, waiting.id).slot_taken


def test_close__cleaning_that_reaches_into_it__counts(restaurant: Database) -> None:
    table = a_table(restaurant)
    order = _confirmed(restaurant, table.id)
    ends = EVENING + 1.5 * HOUR

    assert _close(restaurant, Closing(table.id, ends + HOUR / 4, ends + HOUR), is_dry_run=True) == []
    assert _close(restaurant, Closing(table.id, ends + HOUR / 5, ends + HOUR), is_dry_run=True) == [order.id]


def test_close__over_another_closure__stands_beside_it(restaurant: Database) -> None:
    table = a_table(restaurant)

    _close(restaurant, Closing(table.id))
    _close(restaurant, Closing(table.id, EVENING, EVENING + HOUR))

    assert len(holders(restaurant, table.id)) == 2


def test_close__what_cannot_be__is_refused(restaurant: Database) -> None:
    table = a_table(restaurant)

    with pytest.raises(TableNotFound):
        _close(restaurant, Closing(10**9))
    with pytest.raises(PeriodInvalid):
        _close(restaurant, Closing(table.id, EVENING, EVENING))
    assert holders(restaurant, table.id) == []


def test_close__where_guests_sit__begins_when_they_have_gone(restaurant: Database) -> None:
    table = a_table(restaurant)
    seated, until = _confirmed(restaurant, table.id), EVENING + 5 * HOUR
    mark: dict[str, Any] = {"booking_id": seated.id, "actor": STAFF, "now": EVENING + HOUR}
    restaurant.write(lambda connection: ending.mark_booking(connection, state=State.SEATED, **mark))

    assert _close(restaurant, Closing(table.id, EVENING + HOUR, until)) == []

    kept = [(row.kind, row.starts_at) for row in holders(restaurant, table.id)]
    assert kept == [("booking", seated.starts_at), ("closure", seated.ends_at + 15 * 60_000)]
    restaurant.write(lambda connection: ending.mark_booking(connection, state=State.COMPLETED, **mark))
    left = holders(restaurant, table.id)
    assert {row.kind for row in left} == {"closure"}
    assert {row.starts_at for row in left} >= {seated.starts_at + 60 * 60_000}
    with pytest.raises(SlotTaken):
        an_order(restaurant, table.id, starts_at=EVENING + HOUR)


def test_close__since_before__leaves_the_visit_that_is_over(restaurant: Database) -> None:
    table = a_table(restaurant)
    visit, later = _confirmed(restaurant, table.id), EVENING + 1.5 * HOUR
    since: dict[str, Any] = {"closing": Closing(table.id, EVENING), "is_dry_run": False, **BY_STAFF, "now": later}

    hit = restaurant.write(lambda connection: closing.close_tables(connection, **since))

    assert hit == []
    assert _states(restaurant, visit) == [State.CONFIRMED]
    assert _closed(restaurant, table.id)[0] == (0, 1.75)


def test_open__gives_free_and_unflags(restaurant: Database) -> None:
    table = a_table(restaurant)
    _close(restaurant, Closing(table.id))

    opened = _open(restaurant, Opening(table.id))

    assert [(each.table_id, each.opened_at) for each in opened] == [(table.id, None)]
    assert holders(restaurant, table.id) == []
    an_order(restaurant, table.id)


def test_open__for_some_time__stays_closed_around_it(restaurant: Database) -> None:
    table = a_table(restaurant)
    _close(restaurant, Closing(table.id, EVENING, EVENING + 5 * HOUR, "paint dries"))
    wanted = Opening(table.id, EVENING + HOUR, EVENING + 2 * HOUR)

    assert len(_open(restaurant, wanted, is_dry_run=True)) == 1
    assert _closed(restaurant, table.id) == [(0, 5)]
    _open(restaurant, wanted)

    assert _closed(restaurant, table.id) == [(0, 1), (2, 5)]
    again = _open(restaurant, Opening(table.id))
    assert [each.reason for each in again] == ["paint dries", "paint dries"]
    assert _closed(restaurant, table.id) == []


def test_open__what_is_over_of_a_closure__stands_no_more(restaurant: Database) -> None:
    table = a_table(restaurant)
    _close(restaurant, Closing(table.id, EVENING, EVENING + 5 * HOUR))
    wanted = Opening(table.id, EVENING + 2 * HOUR, EVENING + 4 * HOUR)

    later: dict[str, Any] = {"opening": wanted, "actor": STAFF, "now": EVENING + 3 * HOUR}
    restaurant.write(lambda connection: closing.open_tables(connection, **later))

    assert _closed(restaurant, table.id) == [(4, 5)]


def test_open__by_whom_and_why__is_kept_with_what_was_taken_back(restaurant: Database) -> None:
    table = a_table(restaurant)
    _close(restaurant, Closing(table.id, EVENING, EVENING + 5 * HOUR, "paint dries"))

    _open(restaurant, Opening(table.id, EVENING + HOUR, EVENING + 2 * HOUR, "a wedding"))

    kept = select(closure).where(closure.c.table_id == table.id).order_by(closure.c.id)
    rows = restaurant.read(lambda connection: connection.execute(kept).all())
    assert [(row.opened_by, row.opened_reason, row.reason) for row in rows] == [
        (str(STAFF), "a wedding", "paint dries"),
        ("", "", "paint dries"),
        ("", "", "paint dries"),
    ]


def test_open__another_time__finds_nothing(restaurant: Database) -> None:
    table = a_table(restaurant)
    _close(restaurant, Closing(table.id, EVENING, EVENING + HOUR))

    assert _open(restaurant, Opening(table.id, EVENING + HOUR)) == []

    assert _closed(restaurant, table.id) == [(0, 1)]


def test_close__wall_time__is_the_restaurants(restaurant: Database) -> None:
    table = a_table(restaurant)
    six = dt.datetime(2030, 5, 7, 18, 0)  # noqa: DTZ001 -- that is the point

    _close(restaurant, Closing(table.id, six, six + HOUR))

    assert _closed(restaurant, table.id) == [(0, 1)]
    with pytest.raises(WallTimeMissing):
        _close(restaurant, Closing(table.id, dt.datetime(2031, 3, 30, 2, 30)))  # noqa: DTZ001
    with pytest.raises(WallTimeAmbiguous):
        _open(restaurant, Opening(table.id, None, dt.datetime(2030, 10, 27, 2, 30)))  # noqa: DTZ001


def test_close__what_is_over__is_refused(restaurant: Database) -> None:
    table = a_table(restaurant)

    with pytest.raises(PeriodInvalid):
        _close(restaurant, Closing(table.id, NOW - HOUR, NOW))

    assert holders(restaurant, table.id) == []


def test_close__the_restaurant__holds_new_tables_too_until_it_opens(own: Database) -> None:
    table = a_table(own)
    order = _confirmed(own, table.id)

    hit = _close(own, Closing(None, reason="holidays"))

    added = a_table(own)
    assert hit == [order.id]
    assert [len(holders(own, each.id)) for each in (table, added)] == [1, 1]
    _open(own, Opening(None))
    assert [len(holders(own, each.id)) for each in (table, added)] == [0, 0]


def test_remove__retires_and_tells(restaurant: Database) -> None:
    table = a_table(restaurant, name="the wobbly one")
    waiting, confirmed = an_order(restaurant, table.id), _confirmed(restaurant, table.id)

    def remove(*, is_dry_run: bool) -> list[int]:
        def work(connection: Connection) -> list[int]:
            hit = closing.remove_table(connection, table_id=table.id, is_dry_run=is_dry_run, **BY_STAFF)
            return [row.id for row in hit]

        return restaurant.write(work)

    assert remove(is_dry_run=True) == [waiting.id, confirmed.id]
    assert _states(restaurant, confirmed) == [State.CONFIRMED]
    assert remove(is_dry_run=False) == [waiting.id, confirmed.id]
    assert _states(restaurant, confirmed, waiting) == [State.CANCELLED, State.DECLINED]
    with pytest.raises(TableRetired):
        remove(is_dry_run=False)
    with pytest.raises(TableNotBookable):
        an_order(restaurant, table.id)
    a_table(restaurant, name="the wobbly one")


def test_change_house__hours_that_leave_somebody_outside__show_and_end_it(own: Database) -> None:
    table = a_table(own)
    early, late = (_confirmed(own, table.id, EVENING + h * HOUR) for h in (-4, 2))
    house = House(opening=((Span(opens=18 * 60, closes=23 * 60),),) * 7)

    def change(*, is_dry_run: bool) -> list[int]:
        def work(connection: Connection) -> list[int]:
            hit = closing.change_house(connection, house=house, is_dry_run=is_dry_run, **BY_STAFF)
            return [row.id for row in hit]

        return own.write(work)

    assert change(is_dry_run=True) == [early.id]
    assert own.read(get_house) == House()
    assert change(is_dry_run=False) == [early.id]
    assert own.read(get_house) == house
    assert _states(own, early, late) == [State.CANCELLED, State.CONFIRMED]


def test_change_house__whom_new_hours_leave_outside__is_offered_no_table_for_that_time(own: Database) -> None:
    table, _other = a_table(own), a_table(own)
    booking, order = _confirmed(own, table.id), an_order(own, table.id, starts_at=EVENING + 3 * HOUR)
    earlier = House(opening=((Span(opens=8 * 60, closes=16 * 60),),) * 7)

    own.write(lambda connection: closing.change_house(connection, house=earlier, is_dry_run=False, **BY_STAFF))

    told = {row.type: json.loads(row.payload)["facts"] for each in (booking, order) for row in mails(own, each.id)[-1:]}
    assert {kind: facts["alternatives"] for kind, facts in told.items()} == {
        "booking.cancelled": [],
        "booking.declined": [],
    }


def test_change_house__what_staff_booked_beyond_the_hours__stays_whatever_they_are(own: Database) -> None:
    table = a_table(own)
    night = OrderRequest(table.id, EVENING + 6 * HOUR, 2, email="night@example.org")
    late = own.write(lambda connection: placing.set_booking(connection, request=night, **BY_STAFF))
    shorter = House(staff_email="staff@example.org", opening=((Span(opens=12 * 60, closes=22 * 60),),) * 7)

    hit = own.write(lambda connection: closing.change_house(connection, house=shorter, is_dry_run=False, **BY_STAFF))

    assert hit == []
    assert _states(own, late) == [State.CONFIRMED]
    assert [row.type for row in mails(own, late.id)] == ["booking.confirmed"]


def test_change_house__another_cleaning_time__flags_who_waits_too_close(own: Database) -> None:
    table = a_table(own)
    _confirmed(own, table.id, EVENING + 2 * HOUR)
    waiting = an_order(own, table.id)

    def flag_with(buffer: int) -> bool:
        change: dict[str, Any] = {"house": House(buffer_minutes=buffer), "is_dry_run": False, **BY_STAFF}
        own.write(lambda connection: closing.change_house(connection, **change))
        return bool(booked(own, waiting.id).slot_taken)

    assert [flag_with(buffer) for buffer in (15, 45, 30)] == [False, True, False]


def test_occupancy__a_booking_into_a_closure__is_stopped_by_the_database(restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)
    _close(restaurant, Closing(table.id, EVENING + 3 * HOUR, EVENING + 4 * HOUR))
    at = int(EVENING.timestamp() * 1000)

    def occupy(connection: Connection) -> None:
        values = {"table": table.id, "booking": order.id, "from": at, "until": at + 4 * 3_600_000}
        connection.execute(
            text(
                "INSERT INTO occupancy (table_id, kind, starts_at, ends_at, booking_id)"
                " VALUES (:table, 'booking', :from, :until, :booking)"
            ),
            values,
        )

    with pytest.raises(SlotTaken):
        restaurant.write(occupy)

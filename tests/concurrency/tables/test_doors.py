"""One evening through every door at once: guests, staff and the back office call the service itself."""

import datetime as dt
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.tables.app import create_app
from bookwell.tables.bookings.rules import State
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.concurrency.tables.ways_in import SECRET, Doors, all_at_once, assert_refused_for_the_table, by_turns
from tests.restaurant import EVENING, NOW, SITE, a_table, booked, holders, tables_url
from tests.table_invariants import assert_tables_are_sound
from tests.waiters import bearer

ROUNDS = 20 if os.environ.get("BOOKWELL_CHAOS") else 2
GUESTS = 50
MINUTE = dt.timedelta(minutes=1)

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A restaurant whose back office is called; everybody gets a connection at once."""
    with tables_url(Path(tmp_path_factory.mktemp("doors"))) as url:
        database = Database.of_url(url, connections=GUESTS, backoffice="office")
        yield database
        database.engine.dispose()


@pytest.fixture(scope="module")
def served(house: Database) -> Iterator[TestClient]:
    settings = TablesSettings(tables_url=SITE, tables_decision_secrets=SECRET, tables_demo=True, tables_threads=GUESTS)
    with TestClient(create_app(settings, database=house), base_url=SITE, client=("127.0.0.1", 5)) as client:
        yield client


@pytest.fixture
def client(served: TestClient) -> Iterator[TestClient]:
    with time_machine.travel(NOW, tick=False):
        yield served


def _doors(client: TestClient, table_id: int) -> Doors:
    return Doors(client, table_id, bearer(client.app.state.site))  # type: ignore[attr-defined]  # it is FastAPI's


@pytest.mark.parametrize("number", range(ROUNDS))
def test_fifty_confirms_of_fifty_guests__through_every_door__leave_one(
    client: TestClient, house: Database, number: int
) -> None:
    table, _ = a_table(house), a_table(house)
    doors = _doors(client, table.id)
    orders = all_at_once([partial(doors.order, guest) for guest in range(GUESTS)])
    ids = [order.json()["id"] for order in orders]
    works = by_turns(doors, ids[:40]) + [doors.set_booking] * 10

    answers = all_at_once(works)

    won = [answer for answer in answers if answer.status_code < 300]
    states = [booked(house, booking_id).state for booking_id in ids]
    assert {order.status_code for order in orders} == {201}
    assert len(won) == 1
    assert_refused_for_the_table([answer for answer in answers if answer not in won], table.id)
    assert [row.kind for row in holders(house, table.id)] == ["booking"]
    assert states.count(State.CONFIRMED) == (0 if won[0].status_code == 201 else 1)
    assert set(states) <= {State.REQUESTED, State.CONFIRMED}
    assert_tables_are_sound(house, now=NOW)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_confirms_within_each_others_cleaning_time__through_every_door__never_meet(
    client: TestClient, house: Database, number: int
) -> None:
    table, _ = a_table(house), a_table(house)
    doors = _doors(client, table.id)
    starts = [EVENING + step * 52 * MINUTE for step in range(4)]
    ids = [doors.order(guest, starts[guest % 4]).json()["id"] for guest in range(16)]
    works = by_turns(doors, ids) + [partial(doors.set_booking, start) for start in starts]

    answers = all_at_once(works)

    won = [answer for answer in answers if answer.status_code < 300]
    assert len(won) == len(holders(house, table.id))
    assert len(won) in {1, 2}
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert_tables_are_sound(house, now=NOW)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_closure_among_confirms__through_every_door__leaves_nobody_inside(
    client: TestClient, house: Database, number: int
) -> None:
    table, _ = a_table(house), a_table(house)
    doors = _doors(client, table.id)
    ids = [doors.order(guest, EVENING + guest % 3 * 15 * MINUTE).json()["id"] for guest in range(12)]
    works = by_turns(doors, ids)
    works[4:4] = [partial(doors.close, EVENING + 60 * MINUTE, EVENING + 120 * MINUTE)] * 2
    works += [doors.set_booking] * 3

    answers = all_at_once(works)

    states = {booked(house, booking_id).state for booking_id in ids}
    assert [answer.status_code for answer in answers[4:6]] == [200, 200]
    assert {row.kind for row in holders(house, table.id)} == {"closure"}
    assert states <= {State.DECLINED, State.CANCELLED}
    assert_tables_are_sound(house, now=NOW)

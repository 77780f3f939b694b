"""One evening through every door at once: guests, staff and the back office call the service itself."""

import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit.ids import new_id
from bookwell.kit.webhooks import WebhookSecret, sign
from bookwell.tables.app import create_app
from bookwell.tables.bookings.rules import State
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.concurrency.racing import race
from tests.restaurant import EVENING, NOW, SITE, a_table, booked, holders, tables_url
from tests.table_invariants import assert_tables_are_sound
from tests.waiters import bearer

ROUNDS = 20 if os.environ.get("BOOKWELL_CHAOS") else 2
GUESTS = 50
SECRET = "whsec_" + 10 * "TmV3"
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


class Doors:
    """The ways in, for one table."""

    def __init__(self, client: TestClient, table_id: int) -> None:
        self._client = client
        self._table_id = table_id
        self._staff = bearer(client.app.state.site)  # type: ignore[attr-defined]  # it is FastAPI's

    def order(self, guest: int, starts_at: dt.datetime = EVENING) -> Any:
        """A guest orders."""
        body = {"starts_at": starts_at.isoformat(), "party_size": 2, "email": f"guest{guest}@example.org"}
        return self._client.post("/api/customer/book_table/", params={"id": self._table_id}, json=body)

    def accept(self, booking_id: int) -> Any:
        """An employee clicks."""
        return self._by_staff("accept_booking", id=booking_id)

    def decide(self, booking_id: int) -> Any:
        """The back office sends what an employee said there."""
        body = json.dumps({"booking_id": booking_id, "decision": "confirm", "version": 1}).encode()
        signed = sign([WebhookSecret.parse(SECRET)], message_id=new_id(), sent_at=NOW, body=body)
        headers = {"Content-Type": "application/json", **signed}
        return self._client.post("/api/backoffice/decisions", content=body, headers=headers)

    def set_booking(self, starts_at: dt.datetime = EVENING) -> Any:
        """Somebody telephones."""
        return self._by_staff("set_booking", id=self._table_id, starts_at=starts_at.isoformat(), party_size=2)

    def close(self, starts_at: dt.datetime, ends_at: dt.datetime) -> Any:
        """A pipe bursts."""
        period = {"from": starts_at.isoformat(), "until": ends_at.isoformat()}
        return self._by_staff("close_table", id=self._table_id, **period)

    def _by_staff(self, verb: str, **body: Any) -> Any:
        return self._client.post(f"/api/admin/{verb}/", json=body, headers=self._staff)


def _race(works: list[Callable[[], Any]]) -> list[Any]:
    return [outcome.value for outcome in race(works, by_django=False)]


def _by_turns(doors: Doors, booking_ids: list[int]) -> list[Callable[[], Any]]:
    return [partial((doors.accept, doors.decide)[n % 2], each) for n, each in enumerate(booking_ids)]


def _assert_refused_for_the_table(answers: list[Any], table_id: int) -> None:
    for answer in answers:
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "booking.slot_taken"), answer.text
        assert problem["alternatives"]
        assert table_id not in {free["id"] for free in problem["alternatives"]}


@pytest.mark.parametrize("number", range(ROUNDS))
def test_fifty_confirms_of_fifty_guests__through_every_door__leave_one(
    client: TestClient, house: Database, number: int
) -> None:
    table, _ = a_table(house), a_table(house)
    doors = Doors(client, table.id)
    orders = _race([partial(doors.order, guest) for guest in range(GUESTS)])
    ids = [order.json()["id"] for order in orders]
    works = _by_turns(doors, ids[:40]) + [doors.set_booking] * 10

    answers = _race(works)

    won = [answer for answer in answers if answer.status_code < 300]
    states = [booked(house, booking_id).state for booking_id in ids]
    assert {order.status_code for order in orders} == {201}
    assert len(won) == 1
    _assert_refused_for_the_table([answer for answer in answers if answer not in won], table.id)
    assert [row.kind for row in holders(house, table.id)] == ["booking"]
    assert states.count(State.CONFIRMED) == (0 if won[0].status_code == 201 else 1)
    assert set(states) <= {State.REQUESTED, State.CONFIRMED}
    assert_tables_are_sound(house, now=NOW)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_confirms_within_each_others_cleaning_time__through_every_door__never_meet(
    client: TestClient, house: Database, number: int
) -> None:
    table, _ = a_table(house), a_table(house)
    doors = Doors(client, table.id)
    starts = [EVENING + step * 52 * MINUTE for step in range(4)]
    ids = [doors.order(guest, starts[guest % 4]).json()["id"] for guest in range(16)]
    works = _by_turns(doors, ids) + [partial(doors.set_booking, start) for start in starts]

    answers = _race(works)

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
    doors = Doors(client, table.id)
    ids = [doors.order(guest, EVENING + guest % 3 * 15 * MINUTE).json()["id"] for guest in range(12)]
    works = _by_turns(doors, ids)
    works[4:4] = [partial(doors.close, EVENING + 60 * MINUTE, EVENING + 120 * MINUTE)] * 2
    works += [doors.set_booking] * 3

    answers = _race(works)

    states = {booked(house, booking_id).state for booking_id in ids}
    assert [answer.status_code for answer in answers[4:6]] == [200, 200]
    assert {row.kind for row in holders(house, table.id)} == {"closure"}
    assert states <= {State.DECLINED, State.CANCELLED}
    assert_tables_are_sound(house, now=NOW)

"""The nights on which Warsaw's clocks change, and midnight: what cannot be told is refused, what can has its length."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.tables.app import create_app
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House, Span
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.settings import TablesSettings
from tests.restaurant import NOW, SITE, a_table, booked, holders, tables_database
from tests.waiters import bearer

BOOK, SET, MOVE = "/api/customer/book_table/", "/api/admin/set_booking/", "/api/admin/move_booking/"
LOOK, CLOSE, PRICE = "/api/customer/view_tables/", "/api/admin/close_table/", "/api/admin/set_price/"
SPRING, AUTUMN = "2030-03-31T02:30:00", "2030-10-27T02:30:00"
NIGHTS = House(opening=((Span(opens=18 * 60, closes=28 * 60),),) * 7, horizon_days=365)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A restaurant that is open from six in the evening to four in the morning."""
    with tables_database(Path(tmp_path_factory.mktemp("nights"))) as database:
        database.write(lambda connection: keep_house_in_tx(connection, house=NIGHTS, now=NOW))
        yield database


@pytest.fixture(scope="module")
def served(nights: Database) -> Iterator[TestClient]:
    app = create_app(TablesSettings(tables_url=SITE, tables_demo=True), database=nights)
    with TestClient(app, base_url=SITE, client=("127.0.0.1", 5)) as client:
        yield client


@pytest.fixture
def client(served: TestClient) -> Iterator[TestClient]:
    """In January, so that both nights are to come."""
    with time_machine.travel(dt.datetime(2030, 1, 15, 12, tzinfo=dt.UTC), tick=False):
        yield served


def an_answer(client: TestClient, table_id: int, starts_at: str, duration: int = 90) -> Any:
    body = {"starts_at": starts_at, "duration": duration, "party_size": 2, "email": "ada@example.org"}
    return client.post(BOOK, params={"id": table_id}, json=body)


def _book(client: TestClient, table_id: int, starts_at: str) -> Any:
    return an_answer(client, table_id, starts_at)


def _look(client: TestClient, _table_id: int, starts_at: str) -> Any:
    return client.get(LOOK, params={"starts_at": starts_at})


def _by_staff(path: str, name: str, **others: Any) -> Callable[[TestClient, int, str], Any]:
    def send(client: TestClient, table_id: int, starts_at: str) -> Any:
        headers = bearer(client.app.state.site)  # type: ignore[attr-defined]  # it is FastAPI's
        return client.post(path, params={"id": table_id}, json={name: starts_at, **others}, headers=headers)

    return send


DOORS = [
    _book,
    _look,
    _by_staff(SET, "starts_at", party_size=2),
    _by_staff(CLOSE, "from", until="2031-01-01T00:00:00Z"),
    _by_staff(CLOSE, "until"),
    _by_staff(PRICE, "valid_from", price=30),
]


@pytest.mark.parametrize(("starts_at", "code"), [(SPRING, "time.missing"), (AUTUMN, "time.ambiguous")])
@pytest.mark.parametrize("send", DOORS)
def test_a_wall_time_that_is_not_there_once__is_refused_with_its_code(
    client: TestClient, nights: Database, send: Callable[[TestClient, int, str], Any], starts_at: str, code: str
) -> None:
    table = a_table(nights)

    answer = send(client, table.id, starts_at)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert holders(nights, table.id) == []


@pytest.mark.parametrize(("starts_at", "code"), [(SPRING, "time.missing"), (AUTUMN, "time.ambiguous")])
def test_move__to_such_a_time__is_refused_and_changes_nothing(
    client: TestClient, nights: Database, starts_at: str, code: str
) -> None:
    table = a_table(nights)
    order = an_answer(client, table.id, "2030-03-30T20:00:00").json()
    before = booked(nights, order["id"])

    answer = _by_staff(MOVE, "starts_at")(client, order["id"], starts_at)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert booked(nights, order["id"]) == before


@pytest.mark.parametrize(
    ("starts_at", "duration", "begins", "ends"),
    [
        ("2030-02-12T23:00:00", 120, "2030-02-12T22:00:00Z", "2030-02-13T00:00:00Z"),
        ("2030-03-30T23:30:00", 150, "2030-03-30T22:30:00Z", "2030-03-31T01:00:00Z"),
        ("2030-03-31T01:30:00", 60, "2030-03-31T00:30:00Z", "2030-03-31T01:30:00Z"),
        ("2030-10-26T23:30:00", 240, "2030-10-26T21:30:00Z", "2030-10-27T01:30:00Z"),
        ("2030-10-27T01:30:00", 180, "2030-10-26T23:30:00Z", "2030-10-27T02:30:00Z"),
        ("2030-10-27T02:30:00+02:00", 60, "2030-10-27T00:30:00Z", "2030-10-27T01:30:00Z"),
        ("2030-10-27T02:30:00+01:00", 60, "2030-10-27T01:30:00Z", "2030-10-27T02:30:00Z"),
    ],
)
def test_a_slot_over_midnight_or_the_change__is_as_long_as_it_says(
    client: TestClient, nights: Database, starts_at: str, duration: int, begins: str, ends: str
) -> None:
    table = a_table(nights)

    answer = an_answer(client, table.id, starts_at, duration)

    content = answer.json()
    assert answer.status_code == 201, answer.text
    assert (content["starts_at"], content["ends_at"]) == (begins, ends)
    assert dt.datetime.fromisoformat(ends) - dt.datetime.fromisoformat(begins) == dt.timedelta(minutes=duration)


@pytest.mark.parametrize(
    ("starts_at", "duration"),
    [("2030-03-31T01:30:00", 120), ("2030-10-27T01:30:00", 225), ("2030-02-12T23:00:00", 301)],
)
def test_a_slot_beyond_closing_time__by_the_clocks_of_that_night__is_refused(
    client: TestClient, nights: Database, starts_at: str, duration: int
) -> None:
    table = a_table(nights)

    answers = [an_answer(client, table.id, starts_at, minutes) for minutes in (duration, _fits(starts_at))]

    assert [answer.status_code for answer in answers] == [409, 201]
    assert answers[0].json()["code"] == "order.outside_hours"


def _fits(starts_at: str) -> int:
    """Minutes until four in the morning: an hour less in spring, one more in autumn."""
    return {"2030-03-31": 90, "2030-10-27": 210, "2030-02-12": 300}[starts_at[:10]]

"""GET /api/customer/view_tables/: which tables are listed, in which order and shape."""

from collections.abc import Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.db import Database
from bookwell.tables.floor.queries import DiningTable
from bookwell.tables.floor.rules import TableType
from tests.restaurant import NOW, SITE, STAFF, a_table, an_order, counted
from tests.waiters import bearer

PATH = "/api/customer/view_tables/"
SIX_IN_WARSAW = "2030-05-07T18:00:00"


def listed(client: TestClient, tables: Sequence[DiningTable], **params: Any) -> list[int]:
    """Which of these tables are listed, in their order."""
    answer = client.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert isinstance(content, list)
    known = {table.id for table in tables}
    return [each["id"] for each in content if each["id"] in known]


def hold(restaurant: Database, table: DiningTable, **values: Any) -> None:
    order = an_order(restaurant, table.id, **values)
    confirmed = {"booking_id": order.id, "actor": STAFF, "public_url": SITE, "now": NOW}
    restaurant.write(lambda connection: accept_booking(connection, **confirmed))


def test_view_tables__a_table__has_its_price_as_a_number_with_two_decimals(
    client: TestClient, restaurant: Database
) -> None:
    table = a_table(restaurant, seats=31, price=2550, table_type=TableType.CABIN)

    answer = client.get(PATH, params={"seats": 31, "table_type": "cabin", "price_max": "25.50"})

    assert answer.json() == [
        {"id": table.id, "name": table.name, "table_type": "cabin", "seats": 31, "price": 25.5, "can_be_booked": True}
    ]
    assert '"price":25.50,' in answer.text


def test_view_tables__filters__are_inclusive_and_the_smallest_fit_comes_first(
    client: TestClient, restaurant: Database
) -> None:
    large, small = a_table(restaurant, seats=9, price=9000), a_table(restaurant, seats=7, price=7000)
    room = a_table(restaurant, seats=8, price=8000, table_type=TableType.ROOM)
    tables = [large, small, room, a_table(restaurant, seats=8, can_be_booked=False)]

    assert listed(client, tables) == [small.id, room.id, large.id]
    assert listed(client, tables, seats=8) == [room.id, large.id]
    assert listed(client, tables, price_min=70, price_max="80.00") == [small.id, room.id]
    assert listed(client, tables, price_min="70.01", price_max=89.99) == [room.id]
    assert listed(client, tables, table_type="room") == [room.id]


def test_view_tables__a_time__leaves_those_that_are_free_then(client: TestClient, restaurant: Database) -> None:
    held, free = a_table(restaurant), a_table(restaurant)
    tables = [held, free]
    hold(restaurant, held)  # until 19:30, and a quarter for cleaning

    assert listed(client, tables, starts_at=SIX_IN_WARSAW) == [free.id]
    assert listed(client, tables, starts_at="2030-05-07T19:44:00") == [free.id]
    assert listed(client, tables, starts_at="2030-05-07T19:45:00") == [held.id, free.id]
    assert listed(client, tables, starts_at="2030-05-07T17:45:00+02:00", duration=15) == [free.id]
    assert listed(client, tables, starts_at="2030-05-07T17:30:00+02:00", duration=15) == [held.id, free.id]


def test_view_tables__closed_for_good__is_not_listed_until_it_is_opened(
    client: TestClient, restaurant: Database
) -> None:
    tables = for_good, for_now, from_then_on, stays = [a_table(restaurant) for _ in range(4)]
    staff, soon = bearer(client.app.state.site), "2030-05-07T18:00:00"  # type: ignore[attr-defined]  # it is FastAPI's
    periods = [{"id": for_good.id}, {"id": for_now.id, "until": soon}, {"id": from_then_on.id, "from": soon}]

    closed = [client.post("/api/admin/close_table/", json=period, headers=staff).status_code for period in periods]
    left = listed(client, tables)
    client.post("/api/admin/open_table/", json={"id": for_good.id}, headers=staff)

    assert closed == [200] * 3
    assert left == [for_now.id, from_then_on.id, stays.id]
    assert listed(client, tables) == [each.id for each in tables]


def test_view_tables__when_the_restaurant_is_closed__none_is_free(client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant)

    assert listed(client, [table], starts_at="2030-05-07T23:30:00") == []


def test_view_tables__unchanged__is_not_sent_again(client: TestClient, restaurant: Database) -> None:
    a_table(restaurant)
    first = client.get(PATH)

    again = client.get(PATH, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    a_table(restaurant)
    changed = client.get(PATH, headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["cache-control"] == "public, no-cache"
    assert changed.status_code == 200
    answers = client.get("/openapi.json").json()["paths"][PATH]["get"]["responses"]
    assert "If-None-Match" in answers["304"]["description"]


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"seats": "0"}, "seats"),
        ({"seats": "many"}, "seats"),
        ({"seats": "9" * 30}, "seats"),
        ({"table_type": "sofa"}, "table_type"),
        ({"price_min": "25.001"}, "price_min"),
        ({"price_max": "NaN"}, "price_max"),
        ({"starts_at": "2030-05-07"}, "starts_at"),
        ({"starts_at": "2030-05-07T18:00:00", "duration": "14"}, "duration"),
        ({"seats": "4\0"}, "seats"),
    ],
)
def test_view_tables__what_is_wrong__is_said(client: TestClient, params: dict[str, str], parameter: str) -> None:
    answer = client.get(PATH, params=params)

    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert [each["parameter"] for each in answer.json()["errors"]] == [parameter]


def test_view_tables__a_duration_of_no_time__is_refused(client: TestClient) -> None:
    answer = client.get(PATH, params={"duration": 60})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"code": "value_error", "detail": "duration needs starts_at", "parameter": "query"}
    ]


@pytest.mark.parametrize(
    ("moment", "code"), [("2030-03-31T02:30:00", "time.missing"), ("2030-10-27T02:30:00", "time.ambiguous")]
)
def test_view_tables__a_wall_time_not_shown_once__is_refused(client: TestClient, moment: str, code: str) -> None:
    answer = client.get(PATH, params={"starts_at": moment})

    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_view_tables__a_search__is_two_statements(client: TestClient, restaurant: Database) -> None:
    a_table(restaurant)

    with counted(restaurant.engine) as statements:
        client.get(PATH, params={"starts_at": SIX_IN_WARSAW, "seats": 2})

    assert len(statements) == 2, statements

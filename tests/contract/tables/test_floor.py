"""The floor over HTTP: tables, prices, closures, removal."""

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from bookwell.tables.bookings.rules import State
from bookwell.tables.db import Database
from bookwell.tables.floor.models import closure as closures
from tests.restaurant import EVENING, a_table, an_order, booked, holders, mails
from tests.waiters import bearer

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def headers(client: TestClient) -> dict[str, str]:
    return bearer(client.app.state.site)  # type: ignore[attr-defined]  # Starlette's application


class Staff:
    """Somebody who works here, on the telephone with the service."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    def post(self, operation: str, body: Any = None, **query: Any) -> Any:
        path, content = f"/api/admin/{operation}/", {} if body is None else {"json": body}
        return self.client.post(path, params=query, headers=self.headers, **content)

    def with_key(self) -> "Staff":
        """Themselves, with one new key for all that they ask."""
        return Staff(self.client, self.headers | {"Idempotency-Key": uuid4().hex})


@pytest.fixture
def staff(client: TestClient, headers: dict[str, str]) -> Staff:
    return Staff(client, headers)


def price_of(client: TestClient, table_id: int, seats: int) -> float:
    listed = client.get("/api/customer/view_tables/", params={"seats": seats}).json()
    return next(float(table["price"]) for table in listed if table["id"] == table_id)


def test_add_table__nothing_said__two_seats_in_the_hall_called_by_its_number(staff: Staff) -> None:
    answer = staff.post("add_table")

    assert answer.status_code == 201, answer.text
    table = answer.json()
    assert table == {
        "id": table["id"],
        "name": str(table["id"]),
        "table_type": "regular",
        "seats": 2,
        "price": 0.0,
        "can_be_booked": True,
    }


@pytest.mark.parametrize("place", ["query", "body"])
def test_add_table__in_query_or_body__the_same(staff: Staff, place: str) -> None:
    wanted: dict[str, Any] = {
        "table_type": "cabin",
        "seats": 6,
        "price": 25.5,
        "can_be_booked": False,
        "name": f" {uuid4().hex} ",
    }

    answer = staff.post("add_table", **wanted) if place == "query" else staff.post("add_table", wanted)

    assert answer.status_code == 201, answer.text
    table = answer.json()
    assert {name: table[name] for name in wanted} == {**wanted, "name": str(wanted["name"]).strip()}
    assert '"price":25.50' in answer.text


def test_add_table__the_same_key__adds_one(staff: Staff) -> None:
    name = uuid4().hex
    staff.headers["Idempotency-Key"] = uuid4().hex

    answers = [staff.post("add_table", {"name": name}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


def test_add_table__a_name_twice__is_refused(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant, name=uuid4().hex)

    answer = staff.post("add_table", {"name": table.name})

    assert (answer.status_code, answer.json()["code"]) == (409, "table.name_taken")


def test_add_table__its_number_is_anothers_name__gets_another(staff: Staff, restaurant: Database) -> None:
    number = a_table(restaurant).id + 2
    a_table(restaurant, name=str(number))

    table = staff.post("add_table").json()

    assert (table["id"], table["name"]) == (number, f"{number}.1")


@pytest.mark.parametrize(
    "body",
    [
        {"price": 25.555},
        {"price": "25"},
        {"price": -1},
        {"seats": 0},
        {"seats": "4"},
        {"table_type": "bar"},
        {"can_be_booked": 1},
        {"name": "x" * 101},
        {"colour": "red"},
    ],
)
def test_add_table__what_is_no_table__is_refused(staff: Staff, body: dict[str, Any]) -> None:
    answer = staff.post("add_table", body)

    assert answer.status_code == 422
    assert answer.json()["code"] in {"request.invalid", "table.price_invalid"}


def test_update_table__changes_what_is_given(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant)

    answer = staff.post("update_table", {"seats": 8, "price": 30}, id=table.id)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "id": table.id,
        "name": table.name,
        "table_type": "regular",
        "seats": 8,
        "price": 30.0,
        "can_be_booked": True,
    }


def test_update_table__two_ids__are_a_contradiction(staff: Staff, restaurant: Database) -> None:
    table, other = a_table(restaurant), a_table(restaurant)

    answer = staff.post("update_table", {"id": other.id, "seats": 8}, id=table.id)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "id"
    assert staff.post("update_table", {"id": table.id}, id=table.id).json()["seats"] == 4


def test_close_table__two_beginnings__are_a_contradiction(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant)
    moment = "2030-06-01T12:00:00"

    answers = [
        staff.post("close_table", {"id": table.id, "from": moment, "dry_run": True}, **{"from": other})
        for other in ("2030-06-01T13:00:00", moment)
    ]

    assert [answer.status_code for answer in answers] == [422, 200]
    assert answers[0].json()["errors"][0]["parameter"] == "from"


@pytest.mark.parametrize("name", ["update_table", "set_price", "remove_table", "close_table", "open_table"])
def test_floor__no_such_table__404(staff: Staff, name: str) -> None:
    body = {"price": 5} if name == "set_price" else {}

    answer = staff.post(name, body, id=10**12)

    assert (answer.status_code, answer.json()["code"]) == (404, "table.not_found")


@pytest.mark.parametrize("name", ["update_table", "set_price", "remove_table", "close_table", "open_table"])
def test_floor__no_id__422(staff: Staff, name: str) -> None:
    assert staff.post(name, {"price": 5} if name == "set_price" else {}).status_code == 422


def test_set_price__from_a_moment_on__orders_keep_theirs(
    staff: Staff, client: TestClient, restaurant: Database
) -> None:
    table = a_table(restaurant, seats=977, price=2500)
    order = an_order(restaurant, table.id)

    later = staff.post("set_price", id=table.id, price="30.10", valid_from="2030-05-06T12:01:00")
    assert (later.status_code, later.json()["price"]) == (200, 25.0)
    now = staff.post("set_price", {"id": table.id, "price": 28, "valid_from": "2030-05-06T12:00:00+02:00"})

    assert now.json()["price"] == 28.0
    assert price_of(client, table.id, 977) == 28.0
    assert booked(restaurant, order.id).price == 2500


@pytest.mark.parametrize(
    ("moment", "code"), [("2031-03-30T02:30:00", "time.missing"), ("2030-10-27T02:30:00", "time.ambiguous")]
)
@pytest.mark.parametrize("name", ["set_price", "close_table", "open_table"])
def test_floor__a_wall_time_that_is_none__has_its_code(
    staff: Staff, restaurant: Database, name: str, moment: str, code: str
) -> None:
    table = a_table(restaurant)
    body = {"price": 5, "valid_from": moment} if name == "set_price" else {"from": moment}

    answer = staff.post(name, body, id=table.id)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_close_table__dry_run__lists_and_changes_nothing__then_does_it(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id, name="Ada")
    period = {"from": "2030-05-07T17:00:00", "until": "2030-05-07T20:00:00"}

    shown = staff.post("close_table", {**period, "id": table.id}, dry_run="true")
    assert shown.status_code == 200, shown.text
    assert booked(restaurant, order.id).state == State.REQUESTED
    done = staff.post("close_table", {**period, "id": table.id, "reason": "A pipe burst"})

    assert shown.json() == {**done.json(), "dry_run": True}
    assert done.json()["dry_run"] is False
    assert done.json()["counts"] == {"confirmed": 0, "requested": 1}
    hit = done.json()["bookings"][0]
    assert (hit["id"], hit["state"], hit["starts_at"], hit["name"]) == (
        order.id,
        "requested",
        "2030-05-07T16:00:00Z",
        "Ada",
    )
    ended = booked(restaurant, order.id)
    assert (ended.state, ended.reason) == (State.DECLINED, "A pipe burst")
    assert mails(restaurant, order.id)[-1].type == "booking.declined"


def test_open_table__gives_back_what_was_closed(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant)
    staff.post("close_table", id=table.id, reason="paint")

    shown = staff.post("open_table", id=table.id, dry_run="true").json()
    opened = staff.post("open_table", {"id": table.id, "reason": "It has dried"}).json()

    assert (shown["dry_run"], opened["dry_run"]) == (True, False)
    assert shown["closures"] == opened["closures"]
    closure = opened["closures"][0]
    assert closure == {
        "id": closure["id"],
        "table_id": table.id,
        "starts_at": "2030-05-06T10:00:00Z",
        "ends_at": None,
        "reason": "paint",
    }
    chosen = select(closures).where(closures.c.id == closure["id"])
    kept = restaurant.read(lambda connection: connection.execute(chosen).all())
    assert [(row.opened_by.partition(":")[0], row.opened_reason) for row in kept] == [("staff", "It has dried")]
    an_order(restaurant, table.id)
    assert staff.post("open_table", id=table.id).json()["closures"] == []


@pytest.mark.parametrize(
    ("name", "misspelt"),
    [
        ("close_table", {"dryrun": "true"}),
        ("close_table", {"to": "2030-05-07T20:00:00"}),
        ("open_table", {"dry-run": "true"}),
        ("remove_table", {"Dry_run": "true"}),
    ],
)
def test_floor__a_parameter_is_misspelt__nothing_is_done(
    staff: Staff, restaurant: Database, name: str, misspelt: dict[str, str]
) -> None:
    table = a_table(restaurant)
    staff.post("close_table", id=table.id, **{"from": "2030-06-01T12:00:00"})
    order, before = an_order(restaurant, table.id), holders(restaurant, table.id)

    answer = staff.post(name, id=table.id, **misspelt)

    assert answer.status_code == 422, answer.text
    assert [(each["code"], each["parameter"]) for each in answer.json()["errors"]] == [
        ("extra_forbidden", *misspelt),
    ]
    assert booked(restaurant, order.id).state == State.REQUESTED
    assert holders(restaurant, table.id) == before


def test_close_table__the_same_key__closes_once_and_tells_again_whom_it_hit(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant)
    order, keyed = an_order(restaurant, table.id), staff.with_key()

    first, again = (keyed.post("close_table", {"id": table.id}) for _ in range(2))

    assert [each["id"] for each in first.json()["bookings"]] == [order.id]
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert len(holders(restaurant, table.id)) == 1


def test_remove_table__the_same_key__is_one_answer(staff: Staff, restaurant: Database) -> None:
    table, keyed = a_table(restaurant), staff.with_key()

    first, again = (keyed.post("remove_table", {"id": table.id}) for _ in range(2))

    assert [first.status_code, again.status_code] == [200, 200]
    assert again.content == first.content


def test_open_table__the_same_key__leaves_what_was_closed_since(staff: Staff, restaurant: Database) -> None:
    table, keyed = a_table(restaurant), staff.with_key()
    staff.post("close_table", {"id": table.id})
    first = keyed.post("open_table", {"id": table.id})
    staff.post("close_table", {"id": table.id})

    again = keyed.post("open_table", {"id": table.id})

    assert again.content == first.content
    assert len(holders(restaurant, table.id)) == 1


@pytest.mark.parametrize("name", ["set_price", "update_table"])
def test_floor__the_same_key__leaves_the_price_that_was_set_since(
    staff: Staff, client: TestClient, restaurant: Database, name: str
) -> None:
    table, keyed = a_table(restaurant, seats=967), staff.with_key()
    first = keyed.post(name, {"id": table.id, "price": 30})
    staff.post("set_price", {"id": table.id, "price": 40})

    again = keyed.post(name, {"id": table.id, "price": 30})

    assert again.content == first.content
    assert price_of(client, table.id, 967) == 40.0


@pytest.mark.parametrize("name", ["close_table", "open_table"])
@pytest.mark.parametrize("place", [{"id": 1, "all": True}, {}, {"all": False}])
def test_close_or_open__neither_or_both__is_refused(staff: Staff, name: str, place: dict[str, Any]) -> None:
    assert staff.post(name, place).status_code == 422


def test_close_table__all__shows_every_table(staff: Staff, restaurant: Database) -> None:
    orders = [an_order(restaurant, a_table(restaurant).id) for _ in range(2)]

    shown = staff.post("close_table", {"all": True, "from": EVENING.isoformat(), "dry_run": True})

    assert shown.status_code == 200, shown.text
    assert {order.id for order in orders} <= {each["id"] for each in shown.json()["bookings"]}


def test_close_table__ends_before_it_begins__is_refused(staff: Staff, restaurant: Database) -> None:
    table = a_table(restaurant)

    answer = staff.post(
        "close_table", {"id": table.id, "from": "2030-06-01T12:00:00Z", "until": "2030-06-01T12:00:00Z"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "period.invalid")


def test_remove_table__dry_run_then_for_good(staff: Staff, client: TestClient, restaurant: Database) -> None:
    table = a_table(restaurant, seats=983)
    order = an_order(restaurant, table.id)

    shown = staff.post("remove_table", id=table.id, dry_run="true").json()
    assert price_of(client, table.id, 983) == 25.0
    done = staff.post("remove_table", {"id": table.id})

    assert [each["id"] for each in shown["bookings"]] == [each["id"] for each in done.json()["bookings"]] == [order.id]
    assert booked(restaurant, order.id).state == State.DECLINED
    assert client.get("/api/customer/view_tables/", params={"seats": 983}).json() == []
    again = staff.post("remove_table", id=table.id)
    assert (again.status_code, again.json()["code"]) == (409, "table.retired")

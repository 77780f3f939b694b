"""What staff do with orders and bookings over HTTP."""

import datetime as dt
from typing import Any

import pytest
from starlette.testclient import TestClient

from bookwell.tables.accounts.rules import Role
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.db import Database
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, counted, holders, mails
from tests.waiters import bearer

BOARD = "/api/admin/view_active_bookings/"
HISTORY = "/api/admin/view_booking_history/"
PATHS = ["set_booking", "accept_booking", "decline_booking", "cancel_booking", "move_booking", "mark_booking"]
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def headers(client: TestClient) -> dict[str, str]:
    return bearer(client.app.state.site)  # type: ignore[attr-defined]  # Starlette's application


class Desk:
    """Somebody at the desk."""

    def __init__(self, client: TestClient, headers: dict[str, str]) -> None:
        self.client = client
        self.headers = headers

    def post(self, name: str, **body: Any) -> Any:
        return self.client.post(f"/api/admin/{name}/", json=body, headers=self.headers)

    def board(self, path: str = BOARD, **params: Any) -> Any:
        return self.client.get(path, params=params or None, headers=self.headers)


@pytest.fixture
def desk(client: TestClient, headers: dict[str, str]) -> Desk:
    return Desk(client, headers)


def confirmed(restaurant: Database, table_id: int, **values: Any) -> Any:
    order = an_order(restaurant, table_id, **values)
    told = {"booking_id": order.id, "actor": STAFF, "public_url": SITE, "now": NOW}
    return restaurant.write(lambda connection: accept_booking(connection, **told))


def kinds(restaurant: Database, booking_id: int) -> list[str]:
    return [mail.type for mail in mails(restaurant, booking_id)]


@pytest.mark.parametrize("name", PATHS)
def test_admin__who_may_not__is_told_before_anything_is_read(client: TestClient, name: str) -> None:
    reader = bearer(client.app.state.site, Role.READER)  # type: ignore[attr-defined]  # Starlette's application
    path, junk = f"/api/admin/{name}/", {"content": b"junk", "headers": {"Content-Type": "text/plain"}}

    stranger = client.post(path, **junk)  # type: ignore[arg-type]  # what a request is made of
    wrong = client.post(path, headers={"Authorization": "Bearer made.up.token"})
    known = client.post(path, json={"id": 1}, headers=reader)

    assert (stranger.status_code, stranger.json()["code"]) == (401, "auth.required")
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert wrong.status_code == 401
    assert (known.status_code, known.json()["code"]) == (403, "auth.role_forbidden")


def test_set_booking__without_contact_and_beyond_the_limits__is_confirmed(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant, seats=2)

    answer = desk.post("set_booking", id=table.id, starts_at="2030-05-06T12:00:00", duration=45, party_size=3)

    content = answer.json()
    assert answer.status_code == 201, answer.text
    assert content == content | {
        "state": "confirmed",
        "version": 1,
        "starts_at": "2030-05-06T10:00:00Z",
        "ends_at": "2030-05-06T10:45:00Z",
        "decide_by": None,
        "slot_taken": False,
        "email": "",
        "price": 25.0,
    }
    assert content["made_by"].startswith("staff:")
    assert [each.booking_id for each in holders(restaurant, table.id)] == [content["id"]]
    assert kinds(restaurant, content["id"]) == []


def test_set_booking__with_a_key__is_made_once(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    keyed = Desk(desk.client, desk.headers | {"Idempotency-Key": f"walk-in-{table.id}"})
    wanted = {"id": table.id, "starts_at": "2030-05-07T18:00:00", "party_size": 2}

    first, again = keyed.post("set_booking", **wanted), keyed.post("set_booking", **wanted)

    assert (again.status_code, again.content) == (201, first.content)
    assert len(holders(restaurant, table.id)) == 1


def test_accept_booking__an_order__is_confirmed_and_the_others_are_flagged(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    order, other = an_order(restaurant, table.id), an_order(restaurant, table.id, email="eve@example.org")

    answer = desk.client.post("/api/admin/accept_booking", params={"id": order.id}, headers=desk.headers)

    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed"), answer.text
    assert booked(restaurant, other.id).slot_taken
    assert kinds(restaurant, order.id) == ["booking.requested", "booking.confirmed"]


def test_accept_booking__a_second_order__is_a_conflict_with_alternatives(desk: Desk, restaurant: Database) -> None:
    table, free = a_table(restaurant, seats=51), a_table(restaurant, seats=51, price=1050)
    first, second = an_order(restaurant, table.id, party_size=51), an_order(restaurant, table.id, party_size=51)
    desk.post("accept_booking", id=first.id)

    answer = desk.post("accept_booking", id=second.id)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "booking.slot_taken")
    assert problem["type"].endswith("booking.slot_taken")
    assert problem["alternatives"][0] == {
        "id": free.id,
        "name": free.name,
        "table_type": "regular",
        "seats": 51,
        "price": 10.5,
    }
    assert booked(restaurant, second.id).state == "requested"


def test_decline_booking__with_a_reason__tells_the_guest(desk: Desk, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    answer = desk.post("decline_booking", id=order.id, reason="A wedding")

    assert (answer.json()["state"], answer.json()["reason"]) == ("declined", "A wedding")
    assert kinds(restaurant, order.id) == ["booking.requested", "booking.declined"]
    assert desk.post("accept_booking", id=order.id).json()["code"] == "booking.state_refused"


def test_decline_booking__all_that_one_rules_out__are_declined(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    holder = an_order(restaurant, table.id)
    ruled_out = [an_order(restaurant, table.id, email=f"guest{n}@example.org").id for n in range(3)]
    later = an_order(restaurant, table.id, starts_at=EVENING + 3 * HOUR)
    desk.post("accept_booking", id=holder.id)

    answer = desk.post("decline_booking", id=holder.id, all_taken=True)

    assert answer.status_code == 200, answer.text
    assert [(each["id"], each["state"]) for each in answer.json()["declined"]] == [
        (booking_id, "declined") for booking_id in ruled_out
    ]
    assert booked(restaurant, later.id).state == "requested"
    assert desk.post("decline_booking", id=later.id, all_taken=True).json()["code"] == "booking.not_confirmed"


def test_cancel_booking__a_booking__gives_its_table_free(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    booking = confirmed(restaurant, table.id)

    answer = desk.post("cancel_booking", id=booking.id, reason="The kitchen burns")

    again = desk.post("cancel_booking", id=booking.id)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert holders(restaurant, table.id) == []
    assert (again.status_code, again.json()["code"]) == (409, "booking.state_refused")
    assert kinds(restaurant, booking.id)[-1] == "booking.cancelled"


def test_move_booking__another_time__is_taken_along(desk: Desk, restaurant: Database) -> None:
    table, other = a_table(restaurant), a_table(restaurant, price=9900)
    booking = confirmed(restaurant, table.id)

    answer = desk.post("move_booking", id=booking.id, table_id=other.id, starts_at="2030-05-08T19:00:00", duration=60)

    moved = answer.json()
    assert answer.status_code == 200, answer.text
    assert (moved["table_id"], moved["starts_at"], moved["ends_at"]) == (
        other.id,
        "2030-05-08T17:00:00Z",
        "2030-05-08T18:00:00Z",
    )
    assert moved["price"] == 25.0
    assert holders(restaurant, table.id) == []
    assert kinds(restaurant, booking.id)[-1] == "booking.changed"


def test_move_booking__onto_a_taken_table__is_a_conflict(desk: Desk, restaurant: Database) -> None:
    taken, table = a_table(restaurant), a_table(restaurant)
    a_table(restaurant)  # is free
    confirmed(restaurant, taken.id)
    booking = confirmed(restaurant, table.id)

    answer = desk.post("move_booking", id=booking.id, table_id=taken.id)

    assert (answer.status_code, answer.json()["code"]) == (409, "booking.slot_taken")
    assert answer.json()["alternatives"]
    assert booked(restaurant, booking.id).table_id == table.id


def test_move_booking__to_nowhere__is_refused(desk: Desk, restaurant: Database) -> None:
    booking = confirmed(restaurant, a_table(restaurant).id)

    answer = desk.post("move_booking", id=booking.id)

    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert booked(restaurant, booking.id).version == booking.version


def test_mark_booking__seated_then_completed__gives_the_table_free(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    booking = confirmed(restaurant, table.id, starts_at=EVENING)

    early = desk.post("mark_booking", id=booking.id, state="completed")
    wrong = desk.post("mark_booking", id=booking.id, state="cancelled")
    seated = desk.post("mark_booking", id=booking.id, state="seated")
    completed = desk.post("mark_booking", id=booking.id, state="completed")

    assert (early.status_code, early.json()["code"]) == (409, "booking.state_refused")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "#/state")
    assert wrong.json()["errors"][0]["detail"] == "Input should be 'seated', 'completed' or 'no_show'"
    assert [seated.json()["state"], completed.json()["state"]] == ["seated", "completed"]
    assert holders(restaurant, table.id) == []


@pytest.mark.parametrize("name", PATHS[1:])
def test_admin__no_such_booking__is_not_found(desk: Desk, name: str) -> None:
    needed: dict[str, dict[str, Any]] = {"move_booking": {"duration": 60}, "mark_booking": {"state": "seated"}}

    answer = desk.post(name, id=2**62, **needed.get(name, {}))

    assert (answer.status_code, answer.json()["code"]) == (404, "booking.not_found")


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


def test_view_active_bookings__of_a_table__come_by_their_start(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    late = an_order(restaurant, table.id, starts_at=EVENING + 2 * HOUR)
    early = confirmed(restaurant, table.id)
    ended = an_order(restaurant, table.id, starts_at=EVENING - 2 * HOUR)
    desk.post("decline_booking", id=ended.id)

    answer = desk.board(table_id=table.id)

    assert ids(answer) == [early.id, late.id]
    assert answer.json()["items"][0] == desk.board(table_id=table.id, state="confirmed").json()["items"][0]
    assert answer.json()["items"][1]["email"] == "ada@example.org"
    assert (answer.json()["next"], answer.json()["previous"]) == (None, None)
    assert ids(desk.board(table_id=table.id, state="declined")) == [ended.id]


def test_view_active_bookings__times__are_half_open_and_the_restaurants(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)  # from 18:00 to 19:30 in Warsaw

    def between(start: str, end: str) -> list[int]:
        times: dict[str, Any] = {"from": start, "until": end}
        return ids(desk.board(table_id=table.id, **times))

    assert between("2030-05-07T19:29:00", "2030-05-07T21:00:00") == [order.id]
    assert between("2030-05-07T19:30:00", "2030-05-07T21:00:00") == []
    assert between("2030-05-07T12:00:00", "2030-05-07T18:00:00") == []
    assert between("2030-05-07T16:00:00Z", "2030-05-07T16:01:00Z") == [order.id]


def test_view_active_bookings__flagged__are_those_without_their_table(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    order, flagged = an_order(restaurant, table.id), an_order(restaurant, table.id, email="eve@example.org")
    desk.post("accept_booking", id=order.id)

    assert ids(desk.board(table_id=table.id, slot_taken="true")) == [flagged.id]
    assert ids(desk.board(table_id=table.id, slot_taken="false")) == [order.id]


def test_view_active_bookings__pages__show_each_once_both_ways(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    same_time = [an_order(restaurant, table.id, email=f"page{n}@example.org").id for n in range(5)]
    confirmed_one = confirmed(restaurant, table.id, starts_at=EVENING + 2 * HOUR)

    first = desk.board(table_id=table.id, limit=2)
    second = desk.board(first.json()["next"])
    third = desk.board(second.json()["next"])
    back = desk.board(third.json()["previous"])

    assert ids(first) + ids(second) + ids(third) == [*same_time, confirmed_one.id]
    assert ids(back) == ids(second)
    assert third.json()["next"] is None


def test_view_active_bookings__a_page__takes_as_many_statements_at_any_depth(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    for n in range(4):
        an_order(restaurant, table.id, email=f"deep{n}@example.org")
    first = desk.board(table_id=table.id, limit=1)
    deep = desk.board(desk.board(first.json()["next"]).json()["next"])

    with counted(restaurant.engine) as statements:
        desk.board(deep.json()["next"])

    about_bookings = [statement for statement in statements if "booking" in statement]
    assert len(about_bookings) == 1, statements


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"state": "asleep"}, "state"),
        ({"from": "today"}, "from"),
        ({"limit": 0}, "limit"),
        ({"table_id": "x"}, "table_id"),
    ],
)
def test_view_active_bookings__what_is_wrong__is_said(desk: Desk, params: dict[str, Any], parameter: str) -> None:
    answer = desk.board(**params)

    assert answer.status_code == 422
    assert [each["parameter"] for each in answer.json()["errors"]] == [parameter]


def test_view_active_bookings__anothers_cursor__is_refused(desk: Desk, restaurant: Database) -> None:
    table = a_table(restaurant)
    for n in range(2):
        an_order(restaurant, table.id, email=f"cursor{n}@example.org")
    following = desk.board(table_id=table.id, limit=1).json()["next"]

    answer = desk.board(following.replace(f"table_id={table.id}", "table_id=1"))

    assert (answer.status_code, answer.json()["code"]) == (422, "page.cursor_invalid")


def test_view_booking_history__tells_who_did_what_when_and_why(desk: Desk, restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    desk.post("accept_booking", id=order.id, reason="By the window")
    desk.post("move_booking", id=order.id, duration=60)
    cancelled = desk.post("cancel_booking", id=order.id, reason="The kitchen burns").json()

    answer = desk.board(HISTORY, id=order.id)

    assert answer.status_code == 200, answer.text
    booking, steps = answer.json()["booking"], answer.json()["steps"]
    assert booking == cancelled
    assert [(each["version"], each["action"], each["state"], each["reason"]) for each in steps] == [
        (1, "ordered", "requested", ""),
        (2, "confirmed", "confirmed", "By the window"),
        (3, "moved", "confirmed", ""),
        (4, "cancelled", "cancelled", "The kitchen burns"),
    ]
    who = [each["by"] for each in steps]
    assert (who[0], [name.partition(":")[0] for name in who[1:]]) == ("guest", ["staff"] * 3)
    assert {each["at"] for each in steps} == {"2030-05-06T10:00:00Z"}


def test_view_booking_history__no_such_booking__is_not_found(desk: Desk) -> None:
    answers = [desk.board(HISTORY, id=2**62), desk.board(HISTORY)]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (404, "booking.not_found"),
        (422, "request.invalid"),
    ]

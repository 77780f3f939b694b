"""How many statements the hot paths take, from the token to the kept answer; a search is in `test_view_tables`."""

import datetime as dt
from collections.abc import Iterator

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit.ids import new_id
from bookwell.tables.db import Database
from tests.contract.tables.serving import served
from tests.restaurant import EVENING, NOW, a_table, an_order, booked, counted
from tests.waiters import bearer

DAY = dt.timedelta(days=1)


@pytest.fixture
def guest(restaurant: Database) -> Iterator[TestClient]:
    """Somebody far away, whose orders and requests are counted."""
    with time_machine.travel(NOW, tick=False), served(restaurant, address="192.0.2.9") as client:
        yield client


def test_book_table__with_a_key__takes_at_most_10_statements(guest: TestClient, restaurant: Database) -> None:
    wanted = {"id": a_table(restaurant).id, "starts_at": EVENING.isoformat(), "party_size": 2}
    contact = {"email": "few@example.org", "phone": "+48601234567"}

    with counted(restaurant.engine) as statements:
        answer = guest.post(
            "/api/customer/book_table/", json={**wanted, **contact}, headers={"Idempotency-Key": new_id()}
        )

    assert answer.status_code == 201, answer.text
    assert len(statements) <= 10, statements


@pytest.mark.parametrize(("apart", "most"), [(DAY / 4, 10), (dt.timedelta(0), 11)])
def test_accept_booking__with_token_and_key__takes_at_most_10_statements_and_one_where_others_wait(
    guest: TestClient, restaurant: Database, apart: dt.timedelta, most: int
) -> None:
    table = a_table(restaurant)
    order, other = an_order(restaurant, table.id), an_order(restaurant, table.id, starts_at=EVENING - apart)
    token = bearer(guest.app.state.site)  # type: ignore[attr-defined]  # Starlette's application

    with counted(restaurant.engine) as statements:
        answer = guest.post(
            "/api/admin/accept_booking/", json={"id": order.id}, headers={**token, "Idempotency-Key": new_id()}
        )

    assert answer.status_code == 200, answer.text
    assert len(statements) <= most, statements
    assert booked(restaurant, other.id).slot_taken is (most == 11)

"""How often the hot paths ask the database, from the token to the kept answer; a search is in `test_view_tables`."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit.adapters.sqlalchemy import pipeline
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


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements went together, each time that some were sent to PostgreSQL."""
    sizes: list[int] = []

    def noted(driver: Any, known: set[bytes], sent: list[Any]) -> Any:
        sizes.append(len(sent))
        return pipeline.exchange(driver, known, sent)

    monkeypatch.setattr("bookwell.kit.adapters.sqlalchemy.statements.exchange", noted)
    return sizes


def test_book_table__with_a_key__takes_at_most_9_statements_in_2_round_trips(
    guest: TestClient, restaurant: Database, round_trips: list[int]
) -> None:
    wanted = {"id": a_table(restaurant).id, "starts_at": EVENING.isoformat(), "party_size": 2}
    contact = {"email": "few@example.org", "phone": "+48601234567"}
    round_trips.clear()

    with counted(restaurant.engine) as statements:
        answer = guest.post(
            "/api/customer/book_table/", json={**wanted, **contact}, headers={"Idempotency-Key": new_id()}
        )

    assert answer.status_code == 201, answer.text
    assert len(statements) <= 9, statements
    assert restaurant.engine.dialect.name == "sqlite" or (len(round_trips), sum(round_trips)) == (2, 11)


@pytest.mark.parametrize(("apart", "most"), [(DAY / 4, 10), (dt.timedelta(0), 11)])
def test_accept_booking__with_token_and_key__takes_at_most_10_statements_and_one_where_others_wait(
    guest: TestClient, restaurant: Database, round_trips: list[int], apart: dt.timedelta, most: int
) -> None:
    table = a_table(restaurant)
    order, other = an_order(restaurant, table.id), an_order(restaurant, table.id, starts_at=EVENING - apart)
    token = bearer(guest.app.state.site)  # type: ignore[attr-defined]  # Starlette's application
    round_trips.clear()

    with counted(restaurant.engine) as statements:
        answer = guest.post(
            "/api/admin/accept_booking/", json={"id": order.id}, headers={**token, "Idempotency-Key": new_id()}
        )

    assert answer.status_code == 200, answer.text
    assert len(statements) <= most, statements
    assert len(round_trips) <= most - 7  # the session, the locks and what is behind them, the writes: in one or two
    assert booked(restaurant, other.id).slot_taken is (most == 11)

"""GET /api/customer/view_tables/: which tables are listed, in which order and shape."""

from typing import Any

from starlette.testclient import TestClient

from bookwell.tables.db import Database
from bookwell.tables.floor.rules import TableType
from tests.restaurant import a_table

PATH = "/api/customer/view_tables/"


def listed(client: TestClient, **params: Any) -> list[Any]:
    answer = client.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert isinstance(content, list)
    return content


def test_view_tables__a_table__has_its_price_as_a_number_with_two_decimals(
    client: TestClient, restaurant: Database
) -> None:
    table = a_table(restaurant, seats=31, price=2550, table_type=TableType.CABIN)

    answer = client.get(PATH, params={"seats": 31, "price_max": "25.50"})

    assert answer.json() == [
        {"id": table.id, "name": table.name, "table_type": "cabin", "seats": 31, "price": 25.5, "can_be_booked": True}
    ]
    assert '"price":25.50,' in answer.text

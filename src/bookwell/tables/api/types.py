"""Types that the API's parameters and answers share."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from bookwell.tables.floor.queries import DiningTable
from bookwell.tables.floor.rules import TableType

__all__ = ["Duration", "PartySize", "Price", "TableOut", "table_out"]

_PRICE: dict[str, Any] = {
    "type": "number",
    "minimum": 0,
    "description": "With at most two decimals",
    "examples": [25.0],
}


def _hundredths(price: object) -> object:
    """Text is no number, nor is a truth value."""
    if isinstance(price, bool) or not isinstance(price, (int, float, Decimal)):
        raise ValueError("A price is a number")  # noqa: TRY004 -- pydantic's way
    hundredths = Decimal(str(price)) * 100
    if hundredths != hundredths.to_integral_value():
        raise ValueError("A price has at most two decimals")
    return int(hundredths)


Price = Annotated[int, BeforeValidator(_hundredths), WithJsonSchema(_PRICE)]
"""A number with two decimals outside, hundredths inside; the rules say how high."""

Duration = Annotated[int, Field(ge=15, le=1440, description="Minutes")]
PartySize = Annotated[int, Field(ge=1, le=1000)]


class TableOut(BaseModel):
    """A table as everybody may see it."""

    id: int
    name: str
    table_type: TableType
    seats: int
    price: Annotated[float, WithJsonSchema(_PRICE)]
    can_be_booked: bool


def table_out(table: DiningTable) -> dict[str, Any]:
    """A table for `answers.json_answer`, in the shape of `TableOut`."""
    return {
        "id": table.id,
        "name": table.name,
        "table_type": table.table_type,
        "seats": table.seats,
        "price": table.price,
        "can_be_booked": table.can_be_booked,
    }

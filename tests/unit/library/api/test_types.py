"""What bodies take for numbers and truth values."""

from typing import Any

import pytest
from pydantic import ValidationError

from bookwell.library.api.types import Body, Id


class Inner(Body):
    weekdays: list[int] = []


class Outer(Body):
    book_id: Id | None = None
    is_urgent: bool = False
    inner: Inner | None = None


@pytest.mark.parametrize(
    "body",
    [
        {"book_id": True},
        {"book_id": " 5 "},
        {"book_id": "5"},
        {"book_id": 5.0},
        {"is_urgent": "off"},
        {"is_urgent": "true"},
        {"is_urgent": 1},
        {"inner": {"weekdays": ["1"]}},
        {"inner": {"weekdays": [True]}},
    ],
)
def test_body__text_or_another_type_for_a_number_or_truth_value__is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(body)


def test_body__numbers_and_truth_values__are_taken() -> None:
    body = Outer.model_validate({"book_id": 5, "is_urgent": True, "inner": {"weekdays": [1, 2]}})

    assert (body.book_id, body.is_urgent, body.inner) == (5, True, Inner(weekdays=[1, 2]))

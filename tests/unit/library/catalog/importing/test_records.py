import pytest

from bookwell.library.catalog.importing.records import Record, Rejection, make_record
from bookwell.library.catalog.rules import BookData


@pytest.mark.parametrize("field", ["authors", "subjects"])
@pytest.mark.parametrize(
    ("names", "code", "reason"),
    [
        ([f"N {number}" for number in range(201)], "too_many", "201 {}, of which 200 are taken"),
        (["A", "x" * 201], "too_long", "one of the {} is longer than 200 characters"),
    ],
)
def test_make_record__more_names_than_a_book_holds__is_rejected(
    field: str, names: list[str], code: str, reason: str
) -> None:
    rejection = make_record(7, BookData("T", **{field: names}))  # type: ignore[arg-type]  # authors or subjects

    assert rejection == Rejection(7, code, reason.format(field), "T")


def test_make_record__as_many_names_as_a_book_holds__is_taken() -> None:
    names = [f"{number:03}" + "x" * 197 for number in range(200)]

    record = make_record(7, BookData("T", authors=names, subjects=names))

    assert isinstance(record, Record)

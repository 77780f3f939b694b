from typing import Any

import pytest

from bookwell.library.catalog.rules import BookData, NamesInvalid


@pytest.mark.parametrize("names", [5, "abc", None, {"a": 1}, ["a", 5], [["a"]], [None]])
@pytest.mark.parametrize("field", ["authors", "subjects"])
def test_checked__names_are_no_list_of_texts__is_refused(field: str, names: Any) -> None:
    data = BookData("T", **{field: names})

    with pytest.raises(NamesInvalid):
        data.checked()


def test_checked__names__are_tidied_and_empty_ones_left_out() -> None:
    checked = BookData("T", authors=(" Anna  Nowak ", ""), subjects=["Zoology", " "]).checked()

    assert (checked.authors, checked.subjects) == (["Anna Nowak"], ["Zoology"])

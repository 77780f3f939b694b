import pytest

from bookwell.partners.isbn import IsbnInvalid, isbn13_of


@pytest.mark.parametrize("text", ["9780261103573", "978-0-261-10357-3", "0261103571", "0-261-10357-1"])
def test_isbn__any_spelling__becomes_thirteen_digits(text: str) -> None:
    assert isbn13_of(text) == "9780261103573"


def test_isbn__ten_digits_that_end_with_x__are_read() -> None:
    assert isbn13_of("080442957x") == "9780804429573"


@pytest.mark.parametrize(
    "text", ["", "9780261103574", "0261103572", "978", "x" * 40, "٩٧٨٠٢٦١١٠٣٥٧٣", "9770261103573", "97802611035733"]
)
def test_isbn__wrong__is_refused(text: str) -> None:
    with pytest.raises(IsbnInvalid):
        isbn13_of(text)

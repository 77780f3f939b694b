import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.library.catalog.errors import IsbnInvalid
from bookwell.library.catalog.isbn import isbn10_of, isbn13_of, repaired_isbn13


def _with_check_digit(number: int) -> str:
    digits = f"{number:09}"
    check = sum(place * int(digit) for place, digit in enumerate(digits, start=1)) % 11
    return digits + "0123456789X"[check]


_ISBN10 = st.integers(0, 999_999_999).map(_with_check_digit)


@pytest.mark.parametrize(
    ("text", "isbn"),
    [
        ("9780439023481", "9780439023481"),
        ("978-0-439-02348-1", "9780439023481"),
        ("0-439-02348-3", "9780439023481"),
        ("043902348 3", "9780439023481"),
        ("0‑439‑02348‑3", "9780439023481"),
        ("189221301x", "9781892213013"),
    ],
)
def test_isbn13_of__typed_in_any_way__is_the_isbn_13(text: str, isbn: str) -> None:
    assert isbn13_of(text) == isbn


@pytest.mark.parametrize(
    "text",
    ["", "978043902348", "9780439023482", "0439023484", "9.78043902348e+12", "٩٧٨٠٤٣٩٠٢٣٤٨١", "1234567890128", "abc"],
)
def test_isbn13_of__wrong__is_refused(text: str) -> None:
    with pytest.raises(IsbnInvalid):
        isbn13_of(text)


@pytest.mark.parametrize("text", ["439023483", "439023483 ", "0439023483", "9780439023481"])
def test_repaired_isbn13__leading_zero_lost__is_put_back(text: str) -> None:
    assert repaired_isbn13(text) == "9780439023481"


@pytest.mark.parametrize("text", ["812971060", "00043", "1", "9.78043902348e+12", "97893806587.0", "9780439023480.0"])
def test_repaired_isbn13__check_digit_disagrees__is_refused(text: str) -> None:
    with pytest.raises(IsbnInvalid):
        repaired_isbn13(text)


@given(_ISBN10)
def test_repaired_isbn13__any_isbn_10_without_its_zeros__is_the_same_book(isbn10: str) -> None:
    lost = isbn10.lstrip("0")

    if len(lost) < 6:
        with pytest.raises(IsbnInvalid):
            repaired_isbn13(lost)
    else:
        assert repaired_isbn13(lost) == isbn13_of(isbn10)
        assert isbn10_of(isbn13_of(isbn10)) == isbn10


@given(_ISBN10, st.integers(0, 9), st.integers(1, 9))
def test_isbn13_of__one_wrong_digit__is_refused(isbn10: str, place: int, change: int) -> None:
    digit = isbn10[place]
    if digit == "X":
        return
    wrong = isbn10[:place] + str((int(digit) + change) % 10) + isbn10[place + 1 :]

    with pytest.raises(IsbnInvalid):
        isbn13_of(wrong)


def test_isbn10_of__979__has_none() -> None:
    assert isbn10_of("9791034304165") is None

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from bookwell.partners.adapters.values import (
    day_of,
    hyphenated_middle,
    instant_of,
    isbn_forms,
    isbns_in,
    shortened,
    web_address,
    whole_day_of,
)

WARSAW = ZoneInfo("Europe/Warsaw")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-01", dt.datetime(2026, 12, 1, 22, 59, 59, tzinfo=dt.UTC)),
        ("2026-12-01T10:00:00", dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)),
        ("2026-12-01Z", dt.datetime(2026, 12, 1, 23, 59, 59, tzinfo=dt.UTC)),
        ("2026-12-01+01:00", dt.datetime(2026, 12, 1, 22, 59, 59, tzinfo=dt.UTC)),
        ("2026-12-01+25:00", None),
        ("2026-12-01T10:00:00+03:00", dt.datetime(2026, 12, 1, 7, tzinfo=dt.UTC)),
        ("2026-12-01T10:00:00Z", dt.datetime(2026, 12, 1, 10, tzinfo=dt.UTC)),
        ("unknown", None),
        ("9999-12-31", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
    ],
)
def test_instant_of__deadline__is_in_utc(text: str | None, instant: dt.datetime | None) -> None:
    assert instant_of(text, WARSAW) == instant


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-01", dt.date(2026, 12, 1)),
        ("2026-12-01T23:30:00Z", dt.date(2026, 12, 2)),
        ("2026-12-01Z", dt.date(2026, 12, 1)),
        ("2026-12-01+14:00", dt.date(2026, 12, 1)),
        ("2026-12-01-05:00", dt.date(2026, 12, 1)),
        ("2026-12-01 23:30:00+00:00", dt.date(2026, 12, 2)),
        ("2026-12-01T23:30:00", dt.date(2026, 12, 1)),
        ("unknown", None),
        ("12/01/2026", None),
        ("9999-12-31T23:59:59Z", None),
        (None, None),
    ],
)
def test_day_of__expected__is_the_partners_day(text: str | None, day: dt.date | None) -> None:
    assert day_of(text, WARSAW) == day


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-01", dt.date(2026, 12, 1)),
        ("2026-12-01+01:00", dt.date(2026, 12, 1)),
        ("2026-12-01T00:00:00", None),
        ("9999-12-31", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_whole_day_of__deadline_without_an_hour__is_that_day(text: str | None, day: dt.date | None) -> None:
    assert whole_day_of(text) == day


@pytest.mark.parametrize("text", ["javascript:alert(1)", "/record/1", "http://a b", "https://" + "a" * 3000, "", None])
def test_web_address__nothing_to_link_to__is_none(text: str | None) -> None:
    assert web_address(text) is None


def test_web_address__address__is_kept() -> None:
    assert web_address("https://library.example/record/1") == "https://library.example/record/1"


def test_shortened__words__are_one_printable_line() -> None:
    assert shortened("  too\n many\x00 " + "x" * 500) == ("too many " + "x" * 500)[:200]


def test_isbn_forms__978__has_both() -> None:
    assert isbn_forms("9780439023481") == ["9780439023481", "0439023483"]
    assert isbn_forms("9780804429573") == ["9780804429573", "080442957X"]
    assert isbn_forms("9791090636071") == ["9791090636071"]


@pytest.mark.parametrize(
    ("isbn", "middle"),
    [("9783161484100", "3-16-148410"), ("9791090636071", "10-90636-07"), ("9786990000000", None)],
)
def test_hyphenated_middle__stands_in_both_forms_of_the_number(isbn: str, middle: str | None) -> None:
    assert hyphenated_middle(isbn) == middle


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("0439023483 (hardback) | 9780439023481 (pbk.)", {"0439023483", "9780439023481"}),
        ("978-0-439-02348-1", {"9780439023481"}),
        ("080442957x :", {"080442957X"}),
        ("99780439023481", set()),
        ("97804390234810", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_isbns_in__raw_field__finds_whole_ones(raw: str | None, found: set[str]) -> None:
    assert isbns_in(raw) == found

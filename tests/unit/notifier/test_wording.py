import datetime as dt
import unicodedata
from zoneinfo import ZoneInfo

import pytest

from bookwell.kit.languages import LANGUAGES, language_of
from bookwell.notifier.wording import Phrases, clean, last_day

_WARSAW = ZoneInfo("Europe/Warsaw")
_PHRASES = {
    language: Phrases(language, _WARSAW, dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)) for language in LANGUAGES
}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Żółw i Жук: «ёж» 三体 😀", "Żółw i Жук: «ёж» 三体 😀"),
        ("two\r\nlines\tand  spaces\u2028here\u00a0", "two lines and spaces here"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("\x00\x1b\ud800\ue000\ufeff\u00ad", ""),
        ("twelve chars", "twelve chars"),
        ("twelve chars.", "twelve char…"),
        ("twelve char and", "twelve char…"),
    ],
)
def test_clean__text_from_outside__is_one_visible_line(text: str, cleaned: str) -> None:
    assert clean(text, 12 if "twelve" in text else 100) == cleaned


def test_clean__every_format_character__is_dropped_but_what_spelling_needs() -> None:
    kept = [
        character
        for character in map(chr, range(0x110000))
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and clean(character, 10)
    ]

    assert kept == ["\u200c", "\u200d"]


@pytest.mark.parametrize(
    ("tag", "language"), [("en", "en"), ("en-US", "en"), ("pl_PL", "pl"), ("RU-ru", "ru"), ("de", "en"), ("", "en")]
)
def test_language_of__tag__falls_back_to_english(tag: str, language: str) -> None:
    assert language_of(tag) == language


@pytest.mark.parametrize(
    ("moment", "day", "time"),
    [
        (dt.datetime(2027, 1, 3, 22, 59, 59, tzinfo=dt.UTC), dt.date(2027, 1, 3), None),
        (dt.datetime(2027, 1, 3, 22, 59, 59, 999_999, tzinfo=dt.UTC), dt.date(2027, 1, 3), None),
        (dt.datetime(2027, 1, 3, 23, 0, tzinfo=dt.UTC), dt.date(2027, 1, 3), None),
        (dt.datetime(2027, 1, 3, 23, 0, 1, tzinfo=dt.UTC), dt.date(2027, 1, 4), dt.time(0, 0, 1)),
        (dt.datetime(2027, 7, 3, 12, 30, tzinfo=dt.UTC), dt.date(2027, 7, 3), dt.time(14, 30)),
    ],
)
def test_last_day__of_a_deadline__is_the_day_a_person_still_has(
    moment: dt.datetime, day: dt.date, time: dt.time | None
) -> None:
    assert last_day(moment, _WARSAW) == (day, time)


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (dt.date(2027, 1, 3), {"en": "3 January", "pl": "3 stycznia", "ru": "3 января"}),
        (dt.date(2027, 9, 1), {"en": "1 September 2027", "pl": "1 września 2027", "ru": "1 сентября 2027 г."}),
    ],
)
def test_short__a_day__bears_its_year_when_far_away(day: dt.date, said: dict[str, str]) -> None:
    assert {language: phrases.short(day) for language, phrases in _PHRASES.items()} == said


@pytest.mark.parametrize(
    ("count", "polish", "russian"),
    [
        (1, "dzień", "день"),
        (2, "dni", "дня"),
        (5, "wiele", "дней"),
        (11, "wiele", "дней"),
        (12, "wiele", "дней"),
        (21, "wiele", "день"),
        (22, "dni", "дня"),
        (112, "wiele", "дней"),
    ],
)
def test_plural__slavic_counts__take_their_form(count: int, polish: str, russian: str) -> None:
    assert _PHRASES["pl"].plural(count, one="dzień", few="dni", many="wiele") == polish
    assert _PHRASES["ru"].plural(count, one="день", few="дня", many="дней") == russian


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [
        (
            "2027-01-03T17:00:00Z",
            "2027-01-03T18:30:00Z",
            {
                "en": "Sunday, 3 January 2027, 18:00–19:30",
                "pl": "niedziela, 3 stycznia 2027, 18:00–19:30",
                "ru": "воскресенье, 3 января 2027 г., 18:00–19:30",
            },
        ),
        (
            "2027-01-02T23:00:00Z",  # a midnight begins its day
            "2027-01-03T00:00:00Z",
            {
                "en": "Sunday, 3 January 2027, 00:00–01:00",
                "pl": "niedziela, 3 stycznia 2027, 00:00–01:00",
                "ru": "воскресенье, 3 января 2027 г., 00:00–01:00",
            },
        ),
    ],
)
def test_period__begins_on_its_day(starts: str, ends: str, said: dict[str, str]) -> None:
    starts_at, ends_at = (dt.datetime.fromisoformat(each) for each in (starts, ends))

    assert {language: phrases.period(starts_at, ends_at) for language, phrases in _PHRASES.items()} == said


def test_soon__a_moment__bears_its_year_when_far_away() -> None:
    near, far = (dt.datetime.fromisoformat(each) for each in ("2027-01-02T23:00:00Z", "2027-09-01T16:05:00Z"))

    assert [_PHRASES["en"].soon(each) for each in (near, far)] == ["3 January, 00:00", "1 September 2027, 18:05"]


@pytest.mark.parametrize(
    ("hundredths", "said"),
    [
        (0, {"en": "0.00", "pl": "0,00", "ru": "0,00"}),
        (5, {"en": "0.05", "pl": "0,05", "ru": "0,05"}),
        (2500, {"en": "25.00", "pl": "25,00", "ru": "25,00"}),
        (123456789, {"en": "1,234,567.89", "pl": "1 234 567,89", "ru": "1 234 567,89"}),
    ],
)
def test_amount__has_two_decimals(hundredths: int, said: dict[str, str]) -> None:
    assert {language: phrases.amount(hundredths) for language, phrases in _PHRASES.items()} == said

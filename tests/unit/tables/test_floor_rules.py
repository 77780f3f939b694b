"""Wall time, opening hours, slots and what a period or a price may be."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from bookwell.tables.floor.errors import PeriodInvalid, PriceInvalid, WallTimeAmbiguous, WallTimeMissing
from bookwell.tables.floor.rules import (
    FOREVER,
    House,
    Period,
    SlotLength,
    Span,
    check_period,
    check_price,
    instant_of,
    is_open,
    shared,
    slot_minutes,
    without,
)

WARSAW = ZoneInfo("Europe/Warsaw")
ALWAYS = ((Span(opens=0, closes=1440),),) * 7
NIGHT = ((Span(opens=18 * 60, closes=26 * 60),),) * 7


def _wall(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]  # a date's and a time's parts


@pytest.mark.parametrize(
    ("wall", "instant"),
    [
        (_wall("2030-07-01T18:00"), _utc(2030, 7, 1, 16)),
        (_wall("2030-01-01T18:00"), _utc(2030, 1, 1, 17)),
        (_wall("2030-03-31T01:59"), _utc(2030, 3, 31, 0, 59)),
        (_wall("2030-03-31T03:00"), _utc(2030, 3, 31, 1)),
        (_wall("2030-10-27T01:59"), _utc(2030, 10, 26, 23, 59)),
        (_wall("2030-10-27T03:00"), _utc(2030, 10, 27, 2)),
        (_utc(2030, 10, 27, 1), _utc(2030, 10, 27, 1)),
        (_wall("2030-03-31T02:30+02:00"), _utc(2030, 3, 31, 0, 30)),
    ],
)
def test_instant_of__a_time_that_exists_once(wall: dt.datetime, instant: dt.datetime) -> None:
    assert instant_of(wall, WARSAW) == instant


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_instant_of__the_hour_that_spring_skips__is_refused(minute: int) -> None:
    with pytest.raises(WallTimeMissing):
        instant_of(_wall(f"2030-03-31T02:{minute:02}"), WARSAW)


@pytest.mark.parametrize("fold", [0, 1])
def test_instant_of__the_hour_that_autumn_repeats__is_refused(fold: int) -> None:
    with pytest.raises(WallTimeAmbiguous):
        instant_of(_wall("2030-10-27T02:30").replace(fold=fold), WARSAW)


@pytest.mark.parametrize("edge", ["0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00", "0001-01-01T00:00"])
def test_instant_of__beyond_all_calendars__is_refused(edge: str) -> None:
    with pytest.raises(PeriodInvalid):
        instant_of(_wall(edge), ZoneInfo("Asia/Tokyo"))


@pytest.mark.parametrize(
    ("house", "starts_at", "ends_at", "expected"),
    [
        (House(), _utc(2030, 5, 7, 10), _utc(2030, 5, 7, 21), True),
        (House(), _utc(2030, 5, 7, 9, 59), _utc(2030, 5, 7, 12), False),
        (House(), _utc(2030, 5, 7, 20), _utc(2030, 5, 7, 21, 1), False),
        (House(opening=NIGHT), _utc(2030, 5, 7, 21), _utc(2030, 5, 8, 0), True),
        (House(opening=NIGHT), _utc(2030, 5, 7, 23, 30), _utc(2030, 5, 8, 0), True),
        (House(opening=NIGHT), _utc(2030, 5, 7, 23), _utc(2030, 5, 8, 0, 1), False),
        (House(opening=ALWAYS), _utc(2030, 5, 7, 21), _utc(2030, 5, 8, 1), True),
        (House(exceptions={dt.date(2030, 5, 7): ()}), _utc(2030, 5, 7, 12), _utc(2030, 5, 7, 13), False),
        (House(opening=NIGHT), _utc(2030, 3, 30, 23), _utc(2030, 3, 31, 1), True),
        (House(opening=NIGHT), _utc(2030, 10, 26, 22), _utc(2030, 10, 27, 0), True),
    ],
)
def test_is_open__hours_exceptions_nights_and_changeovers(
    house: House, starts_at: dt.datetime, ends_at: dt.datetime, expected: bool
) -> None:
    assert is_open(house, starts_at, ends_at) is expected


@pytest.mark.parametrize(("party_size", "minutes"), [(1, 90), (2, 90), (3, 120), (7, 180), (500, 180)])
def test_slot_minutes__by_party_size(party_size: int, minutes: int) -> None:
    assert slot_minutes(House(), party_size) == minutes


def test_check_period__only_one_that_ends_after_it_begins() -> None:
    check_period(_utc(2030, 1, 1), FOREVER)

    for ends_at in (_utc(2030, 1, 1), _utc(2029, 1, 1), FOREVER + dt.timedelta(seconds=1)):
        with pytest.raises(PeriodInvalid):
            check_period(_utc(2030, 1, 1), ends_at)


def test_check_price__only_what_can_be_asked() -> None:
    check_price(0)

    for price in (-1, 10**12):
        with pytest.raises(PriceInvalid):
            check_price(price)


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Europe/Nowhere"},
        {"time_zone": "../etc/passwd"},
        {"opening": ALWAYS[:6]},
        {"slot_lengths": ()},
        {"slot_lengths": (SlotLength(party_size=2, minutes=90), SlotLength(party_size=2, minutes=60))},
        {"slot_lengths": tuple(SlotLength(party_size=size, minutes=90) for size in (1, 3, 2))},
        {"guest_data_days": 0},
        {"horizon_days": 0},
        {"decision_minutes": 0},
        {"buffer_minutes": -1},
        {"unknown": 1},
    ],
)
def test_house__settings_that_make_no_sense__are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        House.model_validate(wrong)


def test_house__at_its_bounds__is_taken() -> None:
    shortest, longest = SlotLength(party_size=1, minutes=15), SlotLength(party_size=1000, minutes=1440)
    week = ((Span(opens=0, closes=1440), Span(opens=1439, closes=2879)),) * 7

    least = House(opening=week, slot_lengths=(shortest, longest), buffer_minutes=0, lead_minutes=0)
    most = House(name="x" * 100, buffer_minutes=1440, lead_minutes=100_000, horizon_days=1000, guest_data_days=3650)

    assert House.model_validate(least.model_dump()) == least
    assert House.model_validate(most.model_dump()) == most
    assert House(horizon_days=1, decision_minutes=1, guest_data_days=1).horizon_days == 1


@pytest.mark.parametrize(("opens", "closes"), [(600, 600), (600, 500), (600, 2041)])
def test_span__that_ends_before_it_begins__is_refused(opens: int, closes: int) -> None:
    with pytest.raises(ValidationError):
        Span(opens=opens, closes=closes)


def test_house__as_json__comes_back_the_same() -> None:
    house = House(opening=NIGHT, exceptions={dt.date(2030, 12, 24): ()})

    assert House.model_validate_json(house.model_dump_json()) == house


@pytest.mark.parametrize(
    ("held", "left"),
    [
        ([], [(10, 20)]),
        ([(10, 20)], []),
        ([(5, 25)], []),
        ([(5, 12)], [(12, 20)]),
        ([(18, 25)], [(10, 18)]),
        ([(12, 14)], [(10, 12), (14, 20)]),
        ([(8, 11), (11, 13), (15, 16)], [(13, 15), (16, 20)]),
    ],
)
def test_without__leaves_what_nobody_has(held: list[Period], left: list[Period]) -> None:
    assert without((10, 20), held) == left


def test_shared__the_time_of_both() -> None:
    assert shared((10, 20), (15, 30)) == shared((15, 30), (10, 20)) == (15, 20)

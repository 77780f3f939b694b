import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.library.network.errors import BranchNeverOpen, TimeZoneUnknown, WeekdaysInvalid
from bookwell.library.network.public_holidays import holidays_of
from bookwell.library.network.rules import (
    BranchCalendar,
    add_open_days,
    check_time_zone,
    check_weekdays,
    due_at,
    end_of_day,
    is_open,
    local_day,
    moved_off_closed_day,
    next_open_day,
    pickup_deadline_at,
    shortened_due_at,
)

_WEEKDAYS = frozenset({1, 2, 3, 4, 5})
_FRIDAY = dt.date(2026, 3, 6)
_MONDAY = dt.date(2026, 3, 9)


def test_is_open__weekend__is_closed() -> None:
    calendar = BranchCalendar(open_weekdays=_WEEKDAYS)

    assert is_open(calendar, _FRIDAY)
    assert not is_open(calendar, _FRIDAY + dt.timedelta(days=1))


def test_is_open__public_holiday__is_closed() -> None:
    calendar = BranchCalendar(is_public_holiday=holidays_of("PL"))

    assert not is_open(calendar, dt.date(2027, 11, 11))
    assert is_open(BranchCalendar(is_public_holiday=holidays_of("")), dt.date(2027, 11, 11))


def test_next_open_day__closed_stretch_across_a_weekend__is_passed() -> None:
    closed = frozenset({_FRIDAY, _MONDAY})

    assert next_open_day(BranchCalendar(open_weekdays=_WEEKDAYS, closed_dates=closed), _FRIDAY) == dt.date(2026, 3, 10)


def test_next_open_day__open_today__is_today() -> None:
    assert next_open_day(BranchCalendar(), _FRIDAY) == _FRIDAY


def test_next_open_day__never_open__gives_up() -> None:
    with pytest.raises(BranchNeverOpen):
        next_open_day(BranchCalendar(is_public_holiday=lambda _day: True), _FRIDAY)
    with pytest.raises(BranchNeverOpen):
        add_open_days(BranchCalendar(open_weekdays=frozenset()), _FRIDAY, 3)


@pytest.mark.parametrize(
    ("count", "expected"), [(0, _FRIDAY), (1, _MONDAY), (5, dt.date(2026, 3, 13)), (6, dt.date(2026, 3, 16))]
)
def test_add_open_days__counts_opening_days_only(count: int, expected: dt.date) -> None:
    assert add_open_days(BranchCalendar(open_weekdays=_WEEKDAYS), _FRIDAY, count) == expected


@given(st.dates(dt.date(2020, 1, 1), dt.date(2040, 1, 1)), st.integers(0, 40), st.sets(st.integers(1, 7), min_size=1))
def test_add_open_days__lands_on_an_opening_day_with_the_count_between(
    day: dt.date, count: int, weekdays: set[int]
) -> None:
    calendar = BranchCalendar(open_weekdays=frozenset(weekdays))

    landed = add_open_days(calendar, day, count)

    between = sum(is_open(calendar, day + dt.timedelta(days=n)) for n in range(1, (landed - day).days + 1))
    assert is_open(calendar, landed)
    assert between == (count or between)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (dt.date(2026, 3, 28), dt.datetime(2026, 3, 28, 22, 59, 59, tzinfo=dt.UTC)),
        (dt.date(2026, 3, 29), dt.datetime(2026, 3, 29, 21, 59, 59, tzinfo=dt.UTC)),
        (dt.date(2026, 10, 25), dt.datetime(2026, 10, 25, 22, 59, 59, tzinfo=dt.UTC)),
    ],
)
def test_end_of_day__around_a_change_of_the_clocks__is_the_local_last_second(
    day: dt.date, expected: dt.datetime
) -> None:
    assert end_of_day(BranchCalendar(time_zone="Europe/Warsaw"), day) == expected


def test_end_of_day__clocks_go_back_at_midnight__is_the_later_one() -> None:
    calendar = BranchCalendar(time_zone="America/Havana")  # 1 November 2026, 01:00 becomes 00:00

    assert end_of_day(calendar, dt.date(2026, 10, 31)) == dt.datetime(2026, 11, 1, 3, 59, 59, tzinfo=dt.UTC)


def test_local_day__after_midnight_at_the_branch__is_the_next_date() -> None:
    instant = dt.datetime(2026, 3, 6, 23, 30, tzinfo=dt.UTC)

    assert local_day(BranchCalendar(time_zone="Europe/Warsaw"), instant) == dt.date(2026, 3, 7)


def test_pickup_deadline_at__shelved_on_friday_evening__skips_the_weekend() -> None:
    calendar = BranchCalendar(time_zone="Europe/Warsaw", open_weekdays=_WEEKDAYS)

    deadline = pickup_deadline_at(calendar, now=dt.datetime(2026, 3, 6, 18, tzinfo=dt.UTC), open_days=2)

    assert deadline == dt.datetime(2026, 3, 10, 22, 59, 59, tzinfo=dt.UTC)


def test_due_at__falls_on_a_closed_day__moves_on() -> None:
    calendar = BranchCalendar(open_weekdays=_WEEKDAYS)

    due = due_at(calendar, now=dt.datetime(2026, 3, 6, 12, tzinfo=dt.UTC), days=8)

    assert due == dt.datetime(2026, 3, 16, 23, 59, 59, tzinfo=dt.UTC)


_ON_MONDAY = dt.datetime(2026, 3, 9, 12, tzinfo=dt.UTC)
_DUE = dt.datetime(2026, 3, 30, 23, 59, 59, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("wished", "due"),
    [
        (None, _DUE),
        (_ON_MONDAY, _DUE),  # over
        (_DUE + dt.timedelta(days=1), _DUE),  # later than it is due
        (dt.datetime(2026, 3, 12, 15, tzinfo=dt.UTC), dt.datetime(2026, 3, 12, 15, tzinfo=dt.UTC)),
        (dt.datetime(2026, 3, 14, 15, tzinfo=dt.UTC), dt.datetime(2026, 3, 13, 23, 59, 59, tzinfo=dt.UTC)),
        (dt.datetime(2026, 3, 15, 15, tzinfo=dt.UTC), dt.datetime(2026, 3, 13, 23, 59, 59, tzinfo=dt.UTC)),
    ],
)
def test_shortened_due_at__a_wish__only_shortens_and_ends_on_an_open_day(
    wished: dt.datetime | None, due: dt.datetime
) -> None:
    assert shortened_due_at(BranchCalendar(open_weekdays=_WEEKDAYS), _DUE, wished, now=_ON_MONDAY) == due


def test_shortened_due_at__only_today_is_open_before_the_wish__ends_today() -> None:
    calendar = BranchCalendar(open_weekdays=frozenset({1}))

    due = shortened_due_at(calendar, _DUE, _ON_MONDAY + dt.timedelta(days=1), now=_ON_MONDAY)

    assert due == dt.datetime(2026, 3, 9, 23, 59, 59, tzinfo=dt.UTC)


def test_shortened_due_at__no_open_day_before_the_wish__ends_on_the_first_after_it() -> None:
    closed = frozenset(_ON_MONDAY.date() + dt.timedelta(days=number) for number in range(4))
    calendar = BranchCalendar(open_weekdays=_WEEKDAYS, closed_dates=closed)

    due = shortened_due_at(calendar, _DUE, _ON_MONDAY + dt.timedelta(days=2), now=_ON_MONDAY)

    assert due == dt.datetime(2026, 3, 13, 23, 59, 59, tzinfo=dt.UTC)


def test_shortened_due_at__no_open_day_but_the_last__is_not_later_than_due() -> None:
    calendar = BranchCalendar(open_weekdays=frozenset({1}), closed_dates=frozenset({_ON_MONDAY.date()}))
    due = dt.datetime(2026, 3, 16, 15, tzinfo=dt.UTC)

    assert shortened_due_at(calendar, due, _ON_MONDAY + dt.timedelta(days=2), now=_ON_MONDAY) == due


def test_moved_off_closed_day__open__stays() -> None:
    assert moved_off_closed_day(BranchCalendar(open_weekdays=_WEEKDAYS), _ON_MONDAY) == _ON_MONDAY


def test_moved_off_closed_day__closed__is_the_end_of_the_next_open_day_there() -> None:
    calendar = BranchCalendar(time_zone="Europe/Warsaw", open_weekdays=_WEEKDAYS)
    friday_in_utc = dt.datetime(2026, 3, 6, 23, 30, tzinfo=dt.UTC)

    assert moved_off_closed_day(calendar, friday_in_utc) == dt.datetime(2026, 3, 9, 22, 59, 59, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "weekdays", [[], [0], [8], [1, 9], 5, None, "12", {"1": 2}, [[1]], [1, "2"], [1, None], [True], [1.0]]
)
def test_check_weekdays__none_or_unknown__is_refused(weekdays: Any) -> None:
    with pytest.raises(WeekdaysInvalid):
        check_weekdays(weekdays)


def test_check_weekdays__repeated__are_ordered_once() -> None:
    assert check_weekdays([5, 1, 1]) == [1, 5]
    assert check_weekdays((7, 6, 5, 4, 3, 2, 1)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("name", ["Europe/Warsaw", "UTC", "America/Argentina/Ushuaia"])
def test_check_time_zone__of_iana__is_taken_as_it_is(name: str) -> None:
    assert check_time_zone(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("Europe/Nowhere", "", "../etc/passwd", "/etc/passwd", "Europe"),
        *("localtime", "Factory", "posixrules", "posix/UTC", "right/UTC"),
    ],
)
def test_check_time_zone__unknown__is_refused(name: str) -> None:
    with pytest.raises(TimeZoneUnknown):
        check_time_zone(name)

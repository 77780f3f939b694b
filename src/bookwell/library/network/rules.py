"""Opening days: which dates a branch is open, and the instants at which its deadlines fall."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from bookwell.kit.time_zones import is_iana_zone
from bookwell.library.network.errors import BranchNeverOpen, TimeZoneUnknown, WeekdaysInvalid

__all__ = [
    "LONGEST_CLOSURE_DAYS",
    "BranchCalendar",
    "add_open_days",
    "check_time_zone",
    "check_weekdays",
    "due_at",
    "end_of_day",
    "is_open",
    "last_second",
    "local_day",
    "moved_off_closed_day",
    "next_open_day",
    "pickup_deadline_at",
    "shortened_due_at",
    "wall_time",
]

LONGEST_CLOSURE_DAYS = 730
"""A search for an opening day gives up after this many days."""


_DAYS_OF_A_WEEK = 7


def _no_holidays(_day: dt.date) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class BranchCalendar:
    """When a branch is open: ISO weekdays (1 is Monday) but for closed dates and its country's public holidays."""

    time_zone: str = "UTC"
    open_weekdays: frozenset[int] = frozenset(range(1, 8))
    closed_dates: frozenset[dt.date] = frozenset()
    is_public_holiday: Callable[[dt.date], bool] = field(default=_no_holidays, compare=False)


def local_day(calendar: BranchCalendar, instant: dt.datetime) -> dt.date:
    """The branch's date at an instant."""
    return instant.astimezone(ZoneInfo(calendar.time_zone)).date()


def is_open(calendar: BranchCalendar, day: dt.date) -> bool:
    """Whether the branch opens on that date."""
    return (
        day.isoweekday() in calendar.open_weekdays
        and day not in calendar.closed_dates
        and not calendar.is_public_holiday(day)
    )


def next_open_day(calendar: BranchCalendar, day: dt.date) -> dt.date:
    """The date itself when the branch is open, else the first opening day after it.

    Raises:
        BranchNeverOpen: if there is none within two years.
    """
    for offset in range(LONGEST_CLOSURE_DAYS + 1):
        candidate = day + dt.timedelta(days=offset)
        if is_open(calendar, candidate):
            return candidate
    raise BranchNeverOpen


def add_open_days(calendar: BranchCalendar, day: dt.date, count: int) -> dt.date:
    """The `count`-th opening day after a date; with 0 the date itself or the next opening day.

    Raises:
        BranchNeverOpen: if two years pass without an opening day.
    """
    if count <= 0:
        return next_open_day(calendar, day)
    for _ in range(count):
        day = next_open_day(calendar, day + dt.timedelta(days=1))
    return day


def end_of_day(calendar: BranchCalendar, day: dt.date) -> dt.datetime:
    """The last second of a date at the branch, in UTC.

    The last second and not the next midnight: a deadline must not bear the date of a day that may be closed. Where
    clocks go back at midnight that second comes twice; the later one counts.
    """
    return last_second(day, calendar.time_zone)


def last_second(day: dt.date, time_zone: str) -> dt.datetime:
    """The last second of a date in a time zone, in UTC; see `end_of_day`."""
    return dt.datetime.combine(day, dt.time(23, 59, 59, fold=1), ZoneInfo(time_zone)).astimezone(dt.UTC)


def pickup_deadline_at(calendar: BranchCalendar, *, now: dt.datetime, open_days: int) -> dt.datetime:
    """Until when a copy that is shelved now is kept: the end of the `open_days`-th opening day after today.

    Raises:
        BranchNeverOpen
    """
    return end_of_day(calendar, add_open_days(calendar, local_day(calendar, now), open_days))


def due_at(calendar: BranchCalendar, *, now: dt.datetime, days: int) -> dt.datetime:
    """When a loan of now is due: the end of the day `days` calendar days on, moved on to an opening day.

    Raises:
        BranchNeverOpen
    """
    return end_of_day(calendar, next_open_day(calendar, local_day(calendar, now) + dt.timedelta(days=days)))


def moved_off_closed_day(calendar: BranchCalendar, deadline: dt.datetime) -> dt.datetime:
    """A deadline that was set under other opening days: itself on an opening day, else the end of the next one.

    Raises:
        BranchNeverOpen
    """
    day = local_day(calendar, deadline)
    return deadline if is_open(calendar, day) else end_of_day(calendar, next_open_day(calendar, day))


def shortened_due_at(
    calendar: BranchCalendar, due: dt.datetime, wished: dt.datetime | None, *, now: dt.datetime
) -> dt.datetime:
    """When a loan ends whose reader wants to return it earlier than it is due: as wished, if that is an opening day.

    Else at the end of the last opening day before the wish; where none is left, of the first one after it. A wish that
    has passed changes nothing, and none makes a loan longer.

    Raises:
        BranchNeverOpen
    """
    if wished is None or not now < wished < due:
        return due
    day, today = local_day(calendar, wished), local_day(calendar, now)
    if is_open(calendar, day):
        return wished
    for back in range(1, (day - today).days + 1):
        if is_open(calendar, day - dt.timedelta(days=back)):
            return end_of_day(calendar, day - dt.timedelta(days=back))
    return min(due, end_of_day(calendar, next_open_day(calendar, day)))


def wall_time(calendar: BranchCalendar, moment: dt.datetime) -> dt.datetime:
    """The instant of a wall time at the branch; of an ambiguous one the earlier, of a missing one the later."""
    return moment.replace(tzinfo=ZoneInfo(calendar.time_zone)).astimezone(dt.UTC)


def check_weekdays(weekdays: Sequence[int]) -> list[int]:
    """The ISO weekdays in order, each once.

    Raises:
        WeekdaysInvalid: if there are none, or one is not a whole number from 1 to 7.
    """
    if not isinstance(weekdays, (list, tuple)) or not weekdays:
        raise WeekdaysInvalid  # forms that edit JSON bring whatever it can hold
    if not all(type(day) is int and 1 <= day <= _DAYS_OF_A_WEEK for day in weekdays):
        raise WeekdaysInvalid
    return sorted(set(weekdays))


def check_time_zone(name: str) -> str:
    """The name, when it is an IANA time zone.

    Raises:
        TimeZoneUnknown
    """
    if not is_iana_zone(name):
        raise TimeZoneUnknown(f"There is no time zone {name!r}.")
    return name

"""When readers are reminded, and of what."""

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from bookwell.library.circulation.rules import (
    Reminder,
    State,
    loan_reminder_at,
    pickup_reminder_at,
    reminder_due,
)

WARSAW = ZoneInfo("Europe/Warsaw")
DAY, HOUR, SECOND = dt.timedelta(days=1), dt.timedelta(hours=1), dt.timedelta(seconds=1)
NOW = dt.datetime(2026, 3, 2, 11, tzinfo=dt.UTC)


def _evening(day: int, month: int = 3) -> dt.datetime:
    """When deadlines fall: the last second of a day in Warsaw."""
    return dt.datetime(2026, month, day, 23, 59, 59, tzinfo=WARSAW).astimezone(dt.UTC)


def _morning(day: int, month: int = 3) -> dt.datetime:
    return dt.datetime(2026, month, day, 9, tzinfo=WARSAW).astimezone(dt.UTC)


def _pickup(deadline: dt.datetime, now: dt.datetime = NOW) -> dt.datetime | None:
    return pickup_reminder_at(deadline, time_zone="Europe/Warsaw", now=now)


def _loan(due_at: dt.datetime, now: dt.datetime = NOW, *, days_before: int = 3) -> dt.datetime:
    return loan_reminder_at(due_at, days_before=days_before, time_zone="Europe/Warsaw", now=now)


def test_pickup_reminder__is_the_morning_before_the_last_day() -> None:
    assert _pickup(_evening(10)) == _morning(9)


@pytest.mark.parametrize(
    ("now", "is_told"), [(_morning(9) - 12 * HOUR, True), (_morning(9) - 12 * HOUR + SECOND, False)]
)
def test_pickup_reminder__right_behind_the_news__is_left_out(now: dt.datetime, is_told: bool) -> None:
    assert (_pickup(_evening(10), now) is not None) == is_told


def test_loan_reminder__is_the_policys_days_before_the_due_day() -> None:
    assert _loan(_evening(30)) == _morning(27)


def test_loan_reminder__over_the_change_of_clocks__keeps_the_hour_at_the_branch() -> None:
    winter, summer = _loan(_evening(20)), _loan(_evening(10, month=4))

    assert (winter.hour, summer.hour) == (8, 7)


@pytest.mark.parametrize(
    ("due_at", "days_before"),
    [(_evening(30), 0), (_evening(4), 3), (_evening(5), 3), (NOW + HOUR, 3)],
    ids=["the policy has none", "shorter than the days", "right behind the loan", "due within the hour"],
)
def test_loan_reminder__none_before__is_the_morning_after(due_at: dt.datetime, days_before: int) -> None:
    now = NOW if due_at != _evening(5) else _morning(2) - HOUR

    after = _loan(due_at, now, days_before=days_before)

    assert after == dt.datetime.combine(due_at.astimezone(WARSAW).date() + DAY, dt.time(9), WARSAW)


def test_loan_reminder__of_a_loan_due_tonight__is_the_morning_after_however_near() -> None:
    tonight = _evening(2)

    assert _loan(tonight, tonight - HOUR) == _morning(3)


def test_loan_reminder__overdue__comes_ever_more_rarely() -> None:
    due_at = _evening(1)
    told = [_loan(due_at, NOW - 9 * DAY, days_before=0)]

    for _ in range(6):
        told.append(_loan(due_at, told[-1] + SECOND))

    days = [due_at.astimezone(WARSAW).date(), *(at.astimezone(WARSAW).date() for at in told)]
    pauses = [(later - earlier).days for earlier, later in pairwise(days)]
    assert pauses == [1, 3, 7, 14, 28, 28, 28]


def test_loan_reminder__after_a_late_one__leaves_out_what_would_follow_at_once() -> None:
    due_at = _evening(1)
    just_before_the_second = _morning(5) - 11 * HOUR

    assert _loan(due_at, just_before_the_second) == _morning(12)
    assert _loan(due_at, just_before_the_second - HOUR) == _morning(5)


def test_loan_reminder__after_a_month_of_silence__is_one_and_in_the_future() -> None:
    now = _morning(1, month=6)

    following = _loan(_evening(1), now)

    assert now + 12 * HOUR <= following <= now + 28 * DAY


def _due(
    state: State,
    *,
    at: dt.datetime | None = NOW,
    deadline: dt.datetime | None = None,
    due_at: dt.datetime | None = None,
) -> Reminder | None:
    return reminder_due(state, next_reminder_at=at, pickup_deadline_at=deadline, due_at=due_at, now=NOW)


@pytest.mark.parametrize(
    ("given", "reminder"),
    [
        (_due(State.READY, deadline=NOW + SECOND), Reminder.PICKUP),
        (_due(State.BORROWED, due_at=NOW + SECOND), Reminder.DUE_SOON),
        (_due(State.BORROWED, due_at=NOW), Reminder.OVERDUE),
        (_due(State.BORROWED, deadline=NOW + SECOND, due_at=NOW + SECOND), Reminder.DUE_SOON),
    ],
)
def test_reminder_due__in_time__is_of_what_comes(given: Reminder | None, reminder: Reminder) -> None:
    assert given is reminder


@pytest.mark.parametrize(
    "given",
    [
        _due(State.BORROWED, at=None, due_at=NOW),
        _due(State.BORROWED, at=NOW + SECOND, due_at=NOW),
        _due(State.READY, deadline=NOW),
        _due(State.READY),
        _due(State.BORROWED),
        _due(State.RETURNED, due_at=NOW),
        _due(State.WAITING),
        _due(State.CANCELLED, deadline=NOW + SECOND),
    ],
)
def test_reminder_due__too_early_or_over__is_none(given: Reminder | None) -> None:
    assert given is None

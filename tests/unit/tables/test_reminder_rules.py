"""When guests are reminded of what they booked."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bookwell.tables.bookings.rules import is_reminder_due, remind_at

WARSAW = ZoneInfo("Europe/Warsaw")


def _wall(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=WARSAW).astimezone(dt.UTC)


@pytest.mark.parametrize(
    ("starts", "reminded"),
    [
        ("2030-05-08T18:00", "2030-05-07T18:00"),
        ("2030-05-08T09:00", "2030-05-07T09:00"),
        ("2030-05-08T07:30", "2030-05-07T09:00"),
        ("2030-05-08T22:45", "2030-05-07T20:00"),
        ("2030-05-08T00:30", "2030-05-07T09:00"),
        ("2030-03-31T18:00", "2030-03-30T18:00"),
        ("2030-10-27T18:00", "2030-10-26T18:00"),
    ],
)
def test_remind_at__the_day_before_at_a_decent_hour(starts: str, reminded: str) -> None:
    assert remind_at(_wall(starts), WARSAW) == _wall(reminded)


def _is_due(now: str, *, told: str = "2030-05-01T10:00", reminded: str = "", starts: str = "2030-05-08T18:00") -> bool:
    facts: dict[str, Any] = {"starts_at": _wall(starts), "told_at": _wall(told), "zone": WARSAW, "now": _wall(now)}
    return is_reminder_due(**facts, reminded_at=_wall(reminded) if reminded else None)


def test_is_reminder_due__from_the_day_before_until_it_starts() -> None:
    moments = ("2030-05-07T17:59", "2030-05-07T18:00", "2030-05-08T17:59", "2030-05-08T18:00")

    assert [_is_due(now) for now in moments] == [False, True, True, False]


def test_is_reminder_due__at_night__waits_for_the_morning() -> None:
    moments = ("2030-05-07T20:59", "2030-05-07T21:00", "2030-05-08T08:59", "2030-05-08T09:00")

    assert [_is_due(now) for now in moments] == [True, False, False, True]


def test_is_reminder_due__told_less_than_a_day_before__never() -> None:
    assert _is_due("2030-05-07T18:30", told="2030-05-07T18:00")
    assert not _is_due("2030-05-07T18:30", told="2030-05-07T18:01")
    assert _is_due("2030-05-07T10:00", told="2030-05-07T08:00", starts="2030-05-08T08:00")
    assert not _is_due("2030-05-07T10:00", told="2030-05-07T08:01", starts="2030-05-08T08:00")


def test_is_reminder_due__reminded__only_after_another_change() -> None:
    assert not _is_due("2030-05-07T19:00", reminded="2030-05-07T18:00")
    assert _is_due("2030-05-07T19:00", told="2030-05-05T10:00", reminded="2030-05-04T18:00")

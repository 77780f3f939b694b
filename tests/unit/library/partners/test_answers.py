"""What an answer about another library means to us."""

import datetime as dt

import pytest

from bookwell.contracts.partners import PartnerAvailability, PartnerState
from bookwell.library.partners.rules import as_remembered, has_just_said_no

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def _answer(state: str = "unavailable", seconds_ago: float | None = 1, error: str | None = None) -> PartnerAvailability:
    fetched_at = None if seconds_ago is None else NOW - dt.timedelta(seconds=seconds_ago)
    return PartnerAvailability(name="library 2", state=PartnerState(state), fetched_at=fetched_at, error=error)


@pytest.mark.parametrize(
    ("answer", "is_no"),
    [
        (None, False),
        (_answer(), True),
        (_answer(seconds_ago=60), True),
        (_answer(seconds_ago=120), False),
        (_answer(seconds_ago=None), False),
        (_answer(error="timeout"), False),
        (_answer("available"), False),
        (_answer("unknown"), False),
    ],
)
def test_has_just_said_no__only_a_fresh_no_of_its_own_counts(answer: PartnerAvailability | None, is_no: bool) -> None:
    assert has_just_said_no(answer, now=NOW) is is_no


@pytest.mark.parametrize(("hours", "state"), [(1, "available"), (23.9, "available"), (24.1, "unknown")])
def test_as_remembered__a_day_long__then_unknown(hours: float, state: str) -> None:
    [told] = as_remembered([_answer("available", hours * 3600)], now=NOW, error="partners_unreachable")

    assert (told.state, told.from_cache, told.error) == (state, True, "partners_unreachable")

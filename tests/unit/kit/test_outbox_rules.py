"""The outbox's patience."""

import datetime as dt

import pytest

from bookwell.kit.outbox.rules import Pace, RowState, gap_after, instant_at, milliseconds, state_of, travels_alone


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(0, 30), (1, 30), (2, 60), (3, 120), (4, 240), (6, 900), (7, 900), (10**9, 900)]
)
def test_gap__more_publications__doubles_up_to_the_longest(attempts: int, seconds: int) -> None:
    assert gap_after(attempts, Pace()) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(("attempts", "is_alone"), [(1, False), (2, False), (3, True), (50, True)])
def test_travels_alone__was_lost_twice__is_alone(attempts: int, is_alone: bool) -> None:
    assert travels_alone(attempts) is is_alone


@pytest.mark.parametrize(
    ("done_at", "published_at", "error", "state"),
    [
        (None, None, "", RowState.WAITING),
        (None, None, "SMTP is down", RowState.WAITING),
        (None, 5, "", RowState.IN_FLIGHT),
        (6, 5, "", RowState.DONE),
        (6, None, "", RowState.DONE),
        (6, 5, "Poison: no recipient", RowState.DEAD),
    ],
)
def test_state__columns_of_a_row__is_what_a_person_sees(
    done_at: int | None, published_at: int | None, error: str, state: RowState
) -> None:
    assert state_of(done_at=done_at, published_at=published_at, error=error) is state


def test_milliseconds__an_instant__is_whole_and_since_1970() -> None:
    assert milliseconds(dt.datetime(1970, 1, 1, 0, 0, 1, 234_999, tzinfo=dt.UTC)) == 1234


@pytest.mark.parametrize("moment", [0, 1, 1_904_380_200_057, 2_152_242_299_186, 7_258_118_399_999, 253_370_764_800_000])
def test_instant_at__is_where_milliseconds_come_from(moment: int) -> None:
    assert instant_at(moment).tzinfo is dt.UTC
    assert milliseconds(instant_at(moment)) == moment

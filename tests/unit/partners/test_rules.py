import datetime as dt

import pytest

from bookwell.contracts.partners import PartnerAvailability
from bookwell.partners.availability.rules import (
    MISSING,
    Ages,
    Freshness,
    Remembered,
    freshness_of,
    merged,
    shown,
    unknown,
)

AGES = Ages(fresh=60, stale=900, kept=86_400)
ANSWER = Remembered(1_000_000, {"state": "available", "copies_available": 2})


@pytest.mark.parametrize(
    ("age", "freshness"),
    [
        (0, Freshness.FRESH),
        (59.9, Freshness.FRESH),
        (60, Freshness.STALE),
        (899.9, Freshness.STALE),
        (900, Freshness.OLD),
        (86_399, Freshness.OLD),
        (86_400, Freshness.GONE),
        (-30, Freshness.FRESH),
        (-61, Freshness.OLD),
    ],
)
def test_freshness__by_age(age: float, freshness: Freshness) -> None:
    assert freshness_of(ANSWER, AGES, now=ANSWER.fetched_at + age) is freshness


@pytest.mark.parametrize(("age", "freshness"), [(29.9, Freshness.FRESH), (30, Freshness.GONE), (-31, Freshness.GONE)])
def test_freshness__that_there_is_no_such_thing__is_soon_gone(age: float, freshness: Freshness) -> None:
    assert freshness_of(Remembered(1000, MISSING), AGES, now=1000 + age) is freshness


def test_freshness__nothing_remembered__is_gone() -> None:
    assert freshness_of(None, AGES, now=0) is Freshness.GONE


def test_shown__an_answer__says_when_it_was_given() -> None:
    shape = PartnerAvailability.model_validate(shown("library 2", ANSWER, from_cache=True, error="timeout"))

    assert shape.fetched_at == dt.datetime(1970, 1, 12, 13, 46, 40, tzinfo=dt.UTC)
    assert (shape.from_cache, shape.error, shape.copies_available) == (True, "timeout", 2)


def test_merged__states__are_true_false_or_null() -> None:
    libraries = [
        shown("a", ANSWER, from_cache=False),
        shown("b", Remembered(0, {"state": "unavailable"}), from_cache=False),
        unknown("c", "timeout"),
        shown("d", Remembered(0, {"state": "unknown"}), from_cache=True),
    ]

    assert merged(libraries) == {"a": True, "b": False, "c": None, "d": None}

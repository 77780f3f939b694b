"""When a row of an outbox is tried again, who may have it meanwhile, and what became of it.

    waiting ──claim──► leased ──published──► in flight ──receipt──► done
       ▲                  │                      │
       └──refused, lease or gap over, postponed──┘           refused as poison ──► dead

Nothing here ends a row by time: only the consumer's receipt does, or its word that nobody can ever handle it.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["KEEP_DEAD", "Pace", "RowState", "gap_after", "instant_at", "milliseconds", "state_of", "travels_alone"]

KEEP_DEAD = dt.timedelta(days=90)
"""So long at least are messages kept that nobody was told, for people to look into."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_MAX_DOUBLINGS = 30
_TRUSTED_PUBLICATIONS = 2


class RowState(StrEnum):
    """What a person sees of a row."""

    WAITING = "waiting"
    """Not brought out, or postponed."""
    IN_FLIGHT = "in_flight"
    """Brought out; its receipt is awaited."""
    DONE = "done"
    DEAD = "dead"
    """Ended without effect: its consumer can never handle it. `retry` revives it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a relay is.

    `window` bounds the rows in flight per queue, so that a slow queue neither floods the broker nor holds up another.
    """

    first_gap: dt.timedelta = dt.timedelta(seconds=30)
    longest_gap: dt.timedelta = dt.timedelta(minutes=15)
    lease: dt.timedelta = dt.timedelta(seconds=30)
    after_refusal: dt.timedelta = dt.timedelta(seconds=1)
    window: int = 1000


def gap_after(attempts: int, pace: Pace) -> dt.timedelta:
    """How long a row waits for its receipt after that many publications: it doubles, up to the longest."""
    doublings = min(max(attempts - 1, 0), _MAX_DOUBLINGS)
    return min(pace.first_gap * (1 << doublings), pace.longest_gap)


def travels_alone(attempts: int) -> bool:
    """Whether a row gets a bundle for itself: what was lost twice may be what kills its consumers."""
    return attempts > _TRUSTED_PUBLICATIONS


def state_of(*, done_at: int | None, published_at: int | None, error: str) -> RowState:
    """A row's state from its columns."""
    if done_at is not None:
        return RowState.DEAD if error else RowState.DONE
    return RowState.WAITING if published_at is None else RowState.IN_FLIGHT


def milliseconds(instant: dt.datetime) -> int:
    """An instant as the rows have it: whole milliseconds since 1970."""
    return (instant - _EPOCH) // _MILLISECOND


def instant_at(value: int) -> dt.datetime:
    """The instant, in UTC, of the rows' milliseconds since 1970."""
    return _EPOCH + value * _MILLISECOND

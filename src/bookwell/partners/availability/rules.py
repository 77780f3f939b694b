"""What is shown of an answer that is remembered, missing or failed. Pure: the time comes in."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Any

from bookwell.contracts.partners import PartnerState

__all__ = ["MISSING", "Ages", "Freshness", "Remembered", "freshness_of", "merged", "shown", "unknown"]


class Freshness(IntEnum):
    """What may be done with a remembered answer; the lower the better."""

    FRESH = 0
    """Serve it."""
    STALE = 1
    """Serve it, and ask again meanwhile."""
    OLD = 2
    """Ask again; serve it when that fails."""
    GONE = 3
    """There is none, or it is too old to serve."""


@dataclass(frozen=True, slots=True)
class Ages:
    """Until which age an answer is fresh, stale, kept; in seconds. That there is no such thing is only ever fresh."""

    fresh: float = 60
    stale: float = 900
    kept: float = 86_400
    missing: float = 30


@dataclass(frozen=True, slots=True)
class Remembered:
    """An answer and when it was given, in seconds since 1970. `content` is JSON's and never changed."""

    fetched_at: float
    content: Mapping[str, Any]

    @property
    def is_missing(self) -> bool:
        """Whether it says that there is no such thing."""
        return self.content == MISSING


MISSING: Mapping[str, Any] = MappingProxyType({"missing": True})
"""The content of such an answer."""


_TRUTH: Mapping[str, bool | None] = MappingProxyType(
    {PartnerState.AVAILABLE.value: True, PartnerState.UNAVAILABLE.value: False, PartnerState.UNKNOWN.value: None}
)


def freshness_of(remembered: Remembered | None, ages: Ages, *, now: float) -> Freshness:
    """How fresh an answer is at `now`; one from the future (a clock was set back) is asked for again."""
    if remembered is None:
        return Freshness.GONE
    age = now - remembered.fetched_at
    if remembered.is_missing:
        return Freshness.FRESH if abs(age) < ages.missing else Freshness.GONE
    if age < -ages.fresh:
        return Freshness.OLD
    for limit, freshness in ((ages.fresh, Freshness.FRESH), (ages.stale, Freshness.STALE), (ages.kept, Freshness.OLD)):
        if age < limit:
            return freshness
    return Freshness.GONE


def shown(name: str, remembered: Remembered, *, from_cache: bool, error: str | None = None) -> dict[str, Any]:
    """One partner as PartnerAvailability shows it, from an answer."""
    fetched_at = dt.datetime.fromtimestamp(remembered.fetched_at, dt.UTC)
    shape = {"name": name, **remembered.content, "fetched_at": fetched_at, "from_cache": from_cache}
    if error is not None:
        shape["error"] = error
    return shape


def unknown(name: str, error: str | None) -> dict[str, Any]:
    """One partner of which nothing is known; `error` says why, None when nobody was asked."""
    shape: dict[str, Any] = {"name": name, "state": PartnerState.UNKNOWN, "fetched_at": None, "from_cache": False}
    if error is not None:
        shape["error"] = error
    return shape


def merged(libraries: Iterable[Mapping[str, Any]]) -> dict[str, bool | None]:
    """True, false or null by partner: null wherever the state is not known."""
    return {library["name"]: _TRUTH[library["state"]] for library in libraries}

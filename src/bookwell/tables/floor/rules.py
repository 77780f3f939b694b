"""Pure decisions about the floor: table types, opening hours, wall time, the restaurant's settings.

Minutes of opening hours count from local midnight of the day they belong to; beyond 1440 they are in the next one.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bookwell.tables.floor.errors import PeriodInvalid, PriceInvalid, WallTimeAmbiguous, WallTimeMissing

__all__ = [
    "FOREVER",
    "LONGEST_BUFFER",
    "LONGEST_SLOT",
    "House",
    "Period",
    "SlotLength",
    "Span",
    "Spans",
    "TableType",
    "check_period",
    "check_price",
    "instant_of",
    "is_open",
    "shared",
    "slot_minutes",
    "without",
]

Period = tuple[int, int]
"""From one millisecond since 1970 to another, half-open."""

FOREVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""The end of what has none; also the last instant that the service takes."""
LONGEST_BUFFER = dt.timedelta(days=1)
LONGEST_SLOT = dt.timedelta(days=1)
_DAY = dt.timedelta(days=1)
_WEEKDAYS = 7


class TableType(StrEnum):
    """What kind of place a table is."""

    REGULAR = "regular"
    """In the hall."""
    CABIN = "cabin"
    """Partitioned, with a curtain."""
    ROOM = "room"
    """With its own door."""


class _Setting(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(_Setting):
    """Open from minute `opens` to minute `closes` of a day; half-open, over midnight too."""

    opens: int = Field(strict=True, ge=0, lt=1440)
    closes: int = Field(strict=True, gt=0, le=2880)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.opens < self.closes <= self.opens + 1440:
            raise ValueError("closes must come after opens, by a day at most")
        return self


class SlotLength(_Setting):
    """Parties of up to `party_size` get a table for `minutes`."""

    party_size: int = Field(strict=True, ge=1, le=1000)
    minutes: int = Field(strict=True, ge=15, le=1440)


_DAILY = Span(opens=12 * 60, closes=23 * 60)
Spans = Annotated[tuple[Span, ...], Field(max_length=12)]


class House(_Setting):
    """How the restaurant takes bookings. `opening` has the days of a week, Monday first; `exceptions` replace days.

    `buffer_minutes` keep a table free after each booking. 0 switches a limit of open orders off. What is known of a
    guest is cleared `guest_data_days` after the visit.
    """

    name: str = Field(default="Restaurant", min_length=1, max_length=100)
    time_zone: str = "Europe/Warsaw"
    opening: tuple[Spans, ...] = ((_DAILY,),) * _WEEKDAYS
    exceptions: dict[dt.date, Spans] = Field(default_factory=dict)
    slot_lengths: tuple[SlotLength, ...] = (
        SlotLength(party_size=2, minutes=90),
        SlotLength(party_size=6, minutes=120),
        SlotLength(party_size=100, minutes=180),
    )
    buffer_minutes: int = Field(default=15, ge=0, le=LONGEST_BUFFER // dt.timedelta(minutes=1))
    lead_minutes: int = Field(default=60, ge=0, le=100_000)
    horizon_days: int = Field(default=90, ge=1, le=1000)
    decision_minutes: int = Field(default=240, ge=1, le=100_000)
    open_orders_per_contact: int = Field(default=5, ge=0)
    open_orders_per_address: int = Field(default=20, ge=0)
    staff_email: str = Field(default="", max_length=320)
    staff_language: str = Field(default="en", max_length=16)
    guest_data_days: int = Field(default=90, ge=1, le=3650)

    @field_validator("time_zone")
    @classmethod
    def _check_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("is no IANA time zone") from error
        return name

    @field_validator("opening")
    @classmethod
    def _check_week(cls, opening: tuple[Spans, ...]) -> tuple[Spans, ...]:
        if len(opening) != _WEEKDAYS:
            raise ValueError("needs seven days, Monday first")
        return opening

    @field_validator("slot_lengths")
    @classmethod
    def _check_slots(cls, lengths: tuple[SlotLength, ...]) -> tuple[SlotLength, ...]:
        if not lengths or any(a.party_size >= b.party_size for a, b in pairwise(lengths)):
            raise ValueError("needs growing party sizes, one at least")
        return lengths

    @property
    def zone(self) -> ZoneInfo:
        """The restaurant's zone."""
        return ZoneInfo(self.time_zone)

    @property
    def buffer(self) -> dt.timedelta:
        """For cleaning, after each booking."""
        return dt.timedelta(minutes=self.buffer_minutes)

    def spans_of(self, day: dt.date) -> Sequence[Span]:
        """The opening hours that begin on a day."""
        return self.exceptions.get(day, self.opening[day.weekday()])


def instant_of(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The instant, in UTC, of a time as somebody wrote it: with an offset, or as the zone's wall time.

    Raises:
        WallTimeMissing: if the zone's clocks skip it.
        WallTimeAmbiguous: if they show it twice.
        PeriodInvalid: for one that is in no calendar as UTC.
    """
    try:
        readings = [_read_as(moment, zone, fold) for fold in (0, 1)]
    except OverflowError as error:
        raise PeriodInvalid from error
    first, second = readings
    if first == second:
        return first
    if first.astimezone(zone).replace(tzinfo=None) == moment.replace(fold=0):
        raise WallTimeAmbiguous
    raise WallTimeMissing


def is_open(house: House, starts_at: dt.datetime, ends_at: dt.datetime) -> bool:
    """Whether the restaurant is open all the time from one instant to another; touching hours count as one."""
    covered_until = starts_at
    for opens_at, closes_at in sorted(_openings(house, starts_at, ends_at)):
        if opens_at <= covered_until:
            covered_until = max(covered_until, closes_at)
    return covered_until >= ends_at


def slot_minutes(house: House, party_size: int) -> int:
    """How long a party of that size keeps its table; the largest party's time for larger ones."""
    fitting = (length.minutes for length in house.slot_lengths if length.party_size >= party_size)
    return next(fitting, house.slot_lengths[-1].minutes)


def check_period(starts_at: dt.datetime, ends_at: dt.datetime) -> None:
    """Refuse a period that ends before it begins.

    Raises:
        PeriodInvalid: then, and for an empty one.
    """
    if not starts_at < ends_at <= FOREVER:
        raise PeriodInvalid


def check_price(price: int) -> None:
    """Refuse a price below zero or beyond what a column holds; `price` in hundredths.

    Raises:
        PriceInvalid: then.
    """
    if not 0 <= price < 10**12:
        raise PriceInvalid


def shared(one: Period, other: Period) -> Period:
    """The time that two overlapping periods have in common."""
    return max(one[0], other[0]), min(one[1], other[1])


def without(period: Period, held: Sequence[Period]) -> list[Period]:
    """What is left of a period around others that lie apart, given in order."""
    edges = [period[0], *(edge for each in held for edge in shared(period, each)), period[1]]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def _read_as(moment: dt.datetime, zone: ZoneInfo, fold: int) -> dt.datetime:
    """A time with an offset reads the same both times."""
    local = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone, fold=fold)
    return local.astimezone(dt.UTC)


def _openings(house: House, starts_at: dt.datetime, ends_at: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    day = starts_at.astimezone(house.zone).date() - _DAY
    last = ends_at.astimezone(house.zone).date()
    while day <= last:
        for span in house.spans_of(day):
            yield _wall(house, day, span.opens), _wall(house, day, span.closes)
        day += _DAY


def _wall(house: House, day: dt.date, minutes: int) -> dt.datetime:
    """A door opens when the clock shows its time, the first time it does."""
    local = dt.datetime.combine(day, dt.time(), tzinfo=house.zone) + dt.timedelta(minutes=minutes)
    return local.astimezone(dt.UTC)

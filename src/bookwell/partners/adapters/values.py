"""Values as partners send them, brought to ours."""

import datetime as dt
import re
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field
from stdnum import isbn as stdnum_isbn

__all__ = [
    "Answer",
    "Count",
    "Listed",
    "Many",
    "Text",
    "day_of",
    "hyphenated_middle",
    "instant_of",
    "isbn_forms",
    "isbns_in",
    "none_as_empty",
    "none_if_blank",
    "shortened",
    "web_address",
    "whole_day_of",
]

_MAX_WORDS = 200
_MAX_ADDRESS = 2000
_MOST = 5000
_CENTURIES = range(1900, 2200)
_ZONED_DAY = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)")
"""XML Schema's dates may name their zone; Python reads that as an hour, or not at all."""
_ISBN = re.compile(r"(?<![0-9X])(?:97[89])?[0-9]{9}[0-9X](?![0-9X])")


def none_if_blank(value: Any) -> Any:
    """Empty texts and lists count as absent."""
    return None if value in ("", [], {}) else value


def none_as_empty(value: Any) -> Any:
    """A list that is absent, or an empty text in its place, as an empty list."""
    return [] if value in ("", None) else value


class Answer(BaseModel):
    """A part of a partner's answer: types as the protocol has them, unknown fields ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


Text = Annotated[str | None, BeforeValidator(none_if_blank)]
"""Text in which an empty one counts as absent."""

_T = TypeVar("_T")
Listed = Annotated[list[_T], Field(max_length=_MOST), FailFast()]
"""A list that has to be there. Its first fault ends the check: a report of each would take seconds."""
Many = Annotated[Listed[_T], BeforeValidator(none_as_empty)]
"""A list, empty where it is absent."""

Count = Annotated[Annotated[int, Field(ge=0, le=1_000_000)] | None, BeforeValidator(none_if_blank)]


def instant_of(text: str | None, zone: ZoneInfo) -> dt.datetime | None:
    """A deadline: a time, without an offset in the partner's zone, or the last second of a day; else None."""
    if text is None:
        return None
    try:
        value, is_day = _read(text)
        if is_day:
            value = value.replace(hour=23, minute=59, second=59, tzinfo=value.tzinfo or zone)
        elif value.tzinfo is None:
            value = value.replace(tzinfo=zone)
        return value.astimezone(dt.UTC) if value.year in _CENTURIES else None
    except (ValueError, OverflowError):
        return None


def whole_day_of(text: str | None) -> dt.date | None:
    """The day of a deadline that has no hour; None for one that has, and for anything else."""
    if text is None:
        return None
    try:
        value, is_day = _read(text)
    except ValueError:
        return None
    return value.date() if is_day and value.year in _CENTURIES else None


def day_of(text: str | None, zone: ZoneInfo) -> dt.date | None:
    """The day of a date or time in the partner's zone; None for anything else."""
    if text is None:
        return None
    try:
        value, is_day = _read(text)
        day = (value.astimezone(zone) if value.tzinfo and not is_day else value).date()
    except (ValueError, OverflowError):
        return None
    return day if day.year in _CENTURIES else None


def _read(text: str) -> tuple[dt.datetime, bool]:
    """A date or time of ISO 8601, and whether it is a whole day.

    Raises:
        ValueError
    """
    if zoned := _ZONED_DAY.fullmatch(text):
        return dt.datetime.fromisoformat(f"{zoned[1]}T00:00:00{zoned[2]}"), True
    return dt.datetime.fromisoformat(text), "T" not in text.upper() and ":" not in text


def web_address(text: str | None) -> str | None:
    """An address that a page may link to."""
    is_usable = text is not None and len(text) <= _MAX_ADDRESS and text.isprintable() and " " not in text
    return text if text and is_usable and text.lower().startswith(("https://", "http://")) else None


def shortened(text: str | None) -> str:
    """A partner's words, on one line."""
    words = " ".join((text or "").split())
    return "".join(letter for letter in words if letter.isprintable())[:_MAX_WORDS]


def isbn_forms(isbn13: str) -> list[str]:
    """An ISBN-13, and its ISBN-10 where it has one."""
    if not isbn13.startswith("978"):
        return [isbn13]
    body = isbn13[3:12]
    rest = sum((10 - place) * int(digit) for place, digit in enumerate(body)) % 11
    return [isbn13, body + "0X987654321"[rest]]


def hyphenated_middle(isbn13: str) -> str | None:
    """What an ISBN's forms of 13 and of 10 digits share where they are printed with hyphens: group to publication.

    None for numbers of which nobody has told where the hyphens are.
    """
    parts = stdnum_isbn.split(isbn13)[1:4]
    return "-".join(parts) if all(parts) else None


def isbns_in(raw: str | None) -> set[str]:
    """The ISBNs, of either length, in a field that somebody typed: several, hyphens, remarks."""
    return set(_ISBN.findall((raw or "").upper().replace("-", "")))

"""The languages that people are written to in, and how each says moments and amounts."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_decimal

__all__ = ["LANGUAGES", "Speech", "in_zone", "language_of", "spaced"]

LANGUAGES = ("en", "pl", "ru")
"""Whoever reads another one gets the first."""

_LOCALES = {"en": "en_GB", "pl": "pl", "ru": "ru"}


def language_of(tag: str) -> str:
    """The language to write in for a language tag such as `pl` or `pl-PL`."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


@dataclass(frozen=True, slots=True)
class Speech:
    """How a language says moments, by the clocks of a zone, and amounts."""

    language: str
    zone: ZoneInfo

    def moment(self, instant: dt.datetime) -> str:
        """When something happens: the day with its weekday, and the hour."""
        date = in_zone(instant, self.zone).date()
        return f"{spaced(format_date(date, 'full', locale=self.locale))}, {self.hour(instant)}"

    def hour(self, instant: dt.datetime) -> str:
        """The hour of a day."""
        return spaced(format_time(in_zone(instant, self.zone).time(), "short", locale=self.locale))

    def amount(self, hundredths: int) -> str:
        """A price with two decimals; the currency is everybody's own."""
        return spaced(format_decimal(Decimal(hundredths) / 100, "#,##0.00", locale=self.locale))

    @property
    def locale(self) -> Locale:
        """Babel's name for the language."""
        return _locale(self.language)


def in_zone(moment: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """What clocks show there; a moment without an offset is in UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return aware.astimezone(zone)


def spaced(text: str) -> str:
    """With plain spaces: in a subject, and to whoever searches a mailbox, no other kind is of use."""
    return " ".join(text.split())


@cache
def _locale(language: str) -> Locale:
    return Locale.parse(_LOCALES[language])

"""How a language says dates, numbers and places in a queue; what is told of other people's text, made harmless."""

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton, format_time

from bookwell.kit.languages import Speech, in_zone, spaced

__all__ = ["Phrases", "clean", "greeted", "last_day"]

_ENDS_OF_DAY = frozenset({dt.time(23, 59, 59), dt.time(0, 0)})
_FAR_AWAY_DAYS = 180
_JOINERS = "\u200c\u200d"  # invisible, but scripts and emoji are spelt with them
_LONGEST_READ = 2_000
_LONGEST_IN_SMS = 30
_LIKE_A_LINK = re.compile(r"[/\\@]|\w\w\.\w\w")


def clean(text: str, longest: int) -> str:
    """Text from outside as one line of visible characters, shortened to `longest` of them with an ellipsis.

    Control characters, directional overrides and isolates, zero-width and private characters are dropped: they could
    end a header, or make a line read as what it is not.
    """
    line = text[:_LONGEST_READ]
    if not line.isprintable():
        line = "".join(
            " " if character.isspace() else character
            for character in line
            if character.isprintable() or character.isspace() or character in _JOINERS
        )
    line = " ".join(line.split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def greeted(name: str, longest: int) -> str:
    """A name to greet somebody by; none where a mail program would make a link of it.

    Whoever gives the name may give somebody else's address, and would write to them with our word.
    """
    line = clean(name, longest)
    return "" if _LIKE_A_LINK.search(line) else line


def last_day(moment: dt.datetime, zone: ZoneInfo) -> tuple[dt.date, dt.time | None]:
    """The last date on which something can be done before a deadline, and the time when it is not the day's end."""
    local = in_zone(moment, zone)
    time = local.time().replace(microsecond=0)
    if time == dt.time(0, 0):
        return local.date() - dt.timedelta(days=1), None
    return local.date(), None if time in _ENDS_OF_DAY else time


@dataclass(frozen=True, slots=True)
class Phrases(Speech):
    """What templates say with the language's own grammar; `zone` is the place's, `written_at` the event's instant."""

    written_at: dt.datetime

    def day(self, moment: dt.datetime) -> str:
        """A deadline as the last day a person has, with its weekday, and the hour when it is not the whole day."""
        date, time = last_day(moment, self.zone)
        said = spaced(format_date(date, "full", locale=self.locale))
        return said if time is None else f"{said}, {spaced(format_time(time, 'short', locale=self.locale))}"

    def short(self, moment: dt.datetime | dt.date) -> str:
        """A date as day and month; with its year when it is far away."""
        date = last_day(moment, self.zone)[0] if isinstance(moment, dt.datetime) else moment
        today = in_zone(self.written_at, self.zone).date()
        if abs((date - today).days) > _FAR_AWAY_DAYS:
            return spaced(format_date(date, "long", locale=self.locale))
        return spaced(format_skeleton("MMMMd", date, locale=self.locale))

    def period(self, starts_at: dt.datetime, ends_at: dt.datetime) -> str:
        """From when to when: one day, and two hours of which the second may be the next day's."""
        return f"{self.moment(starts_at)}–{self.hour(ends_at)}"

    def soon(self, instant: dt.datetime) -> str:
        """A moment in few words: day, month and hour; with its year when it is far away."""
        return f"{self.short(in_zone(instant, self.zone).date())}, {self.hour(instant)}"

    def brief(self, text: str) -> str:
        """As much of somebody's words as an SMS has room for."""
        return clean(text, _LONGEST_IN_SMS)

    def days_since(self, moment: dt.datetime) -> int:
        """How many of the branch's days lie between a deadline's day and the event."""
        return (in_zone(self.written_at, self.zone).date() - last_day(moment, self.zone)[0]).days

    def plural(self, count: int, **forms: str) -> str:
        """The form that goes with a count, by CLDR's names: `one`, `few`, `many`, `other`."""
        return forms[self.locale.plural_form(count)]

    def ordinal(self, number: int, **endings: str) -> str:
        """A number with its ordinal ending: 1st, 2nd, 3rd, 11th."""
        return f"{number}{endings[self.locale.ordinal_form(number)]}"

"""The state of one simulated library: its titles, the holds on them, its mood and the requests it got."""

import datetime as dt
import itertools
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bookwell.kit import clock
from bookwell.simulators.moods import Mood
from bookwell.simulators.stock import Copy, Title, draw_stock

__all__ = ["OPEN", "Hold", "HoldStatus", "Shelved", "SimulatedLibrary", "Traffic"]

_PICKUP_DAYS = 7
_LOAN_DAYS = 21
_TOKEN_SECONDS = 3600


class HoldStatus(StrEnum):
    """The life of a hold, in nobody's protocol."""

    ACCEPTED = "accepted"
    IN_TRANSIT = "in_transit"
    READY = "ready"
    BORROWED = "borrowed"
    RETURNED = "returned"
    REFUSED = "refused"
    CANCELLED = "cancelled"


OPEN = frozenset({HoldStatus.ACCEPTED, HoldStatus.IN_TRANSIT, HoldStatus.READY})


@dataclass(slots=True)
class Hold:
    """One hold of one patron on a title."""

    number: int
    patron: str
    title: Title
    placed_at: dt.datetime
    pickup: str = ""
    notes: str = ""
    status: HoldStatus = HoldStatus.ACCEPTED
    pickup_deadline_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    copy_number: int | None = None
    """The copy that was lent for it."""

    def move(self, status: HoldStatus, now: dt.datetime) -> None:
        """Change its status, with the deadline that comes with it."""
        self.status = status
        self.pickup_deadline_at = now + dt.timedelta(days=_PICKUP_DAYS) if status is HoldStatus.READY else None
        self.due_at = now + dt.timedelta(days=_LOAN_DAYS) if status is HoldStatus.BORROWED else None


@dataclass(frozen=True, slots=True)
class Shelved:
    """A copy and the hold that it was given to, if any."""

    copy: Copy
    hold: Hold | None

    @property
    def is_free(self) -> bool:
        """Whether it can be lent."""
        return self.copy.is_free and self.hold is None


@dataclass(slots=True)
class Traffic:
    """Requests by what they asked, counted before anything goes wrong with them."""

    by_operation: Counter[str] = field(default_factory=Counter)
    by_isbn: Counter[str] = field(default_factory=Counter)
    total: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


@dataclass(slots=True)
class SimulatedLibrary:
    """One library. `credentials` are those of the only account; `patron` is its number."""

    name: str
    patron: str
    credentials: tuple[str, str]
    titles: dict[str, Title] = field(default_factory=dict)
    holds: list[Hold] = field(default_factory=list)
    mood: Mood = field(default_factory=Mood)
    traffic: Traffic = field(default_factory=Traffic)
    max_holds: int = 50
    _tokens: dict[str, tuple[frozenset[str], dt.datetime]] = field(default_factory=dict)
    _spared: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        if not self.titles:
            self.titles = draw_stock(self.name)

    @property
    def slug(self) -> str:
        """The name in addresses."""
        return self.name.replace(" ", "-")

    def feel(self, mood: Mood) -> None:
        """Begin a mood."""
        self.mood = mood
        self._spared = mood.after

    def mood_for(self, operation: str) -> Mood:
        """What one request meets."""
        if self.mood.only not in operation:
            return Mood()
        if self._spared:
            self._spared -= 1
            return Mood()
        return self.mood

    def reset(self) -> None:
        """As after a start; tokens stay good."""
        self.titles = draw_stock(self.name)
        self.holds.clear()
        self.feel(Mood())
        self.traffic = Traffic()

    def place(self, title: Title, *, pickup: str = "", notes: str = "") -> Hold:
        """Add a hold; whether that is allowed, the protocols decide."""
        hold = Hold(next(self._numbers), self.patron, title, clock.now(), pickup, notes)
        self.holds.append(hold)
        return hold

    def holds_on(self, title: Title) -> list[Hold]:
        """Open holds and loans of our making on a title, oldest first."""
        return [hold for hold in self.holds if hold.title.number == title.number and _takes_a_copy(hold)]

    def shelf(self, title: Title) -> list[Shelved]:
        """The copies of a title, the free ones given to its holds in turn."""
        takers = iter(self.holds_on(title))
        return [Shelved(copy, next(takers, None) if copy.is_free else None) for copy in title.copies]

    def copy_for(self, hold: Hold) -> int | None:
        """The number of a hold's copy, or of the one that would be lent for it."""
        given = (at.copy.number for at in self.shelf(hold.title) if at.hold is hold)
        others = (copy.number for copy in hold.title.copies)
        return hold.copy_number or next(given, None) or next(others, None)

    def waiting(self, title: Title) -> Sequence[Hold]:
        """Holds for which there is no copy yet."""
        free = sum(copy.is_free for copy in title.copies)
        return self.holds_on(title)[free:]

    def issue_token(self, scopes: frozenset[str]) -> tuple[str, int]:
        """A new access token and its life in seconds."""
        token = secrets.token_urlsafe(24)
        self._tokens[token] = (scopes, clock.now() + dt.timedelta(seconds=_TOKEN_SECONDS))
        return token, _TOKEN_SECONDS

    def scopes_of(self, token: str) -> frozenset[str] | None:
        """What a token allows, None when it is not good."""
        scopes, until = self._tokens.get(token, (frozenset[str](), None))
        return scopes if until is not None and clock.now() < until else None

    def forget_tokens(self) -> None:
        """End all tokens early, as a restart would."""
        self._tokens.clear()


def _takes_a_copy(hold: Hold) -> bool:
    return hold.status in OPEN or hold.status is HoldStatus.BORROWED

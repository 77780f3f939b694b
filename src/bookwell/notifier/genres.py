"""What messages about one kind of thing have in common, by the shape of their facts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bookwell.contracts.bookings import BookingFacts
from bookwell.contracts.messages import AccountFacts, NoticeFacts, ReservationFacts
from bookwell.contracts.webhooks import EndpointFacts
from bookwell.notifier.calendar import Entry, booking_entry, reservation_entry

__all__ = ["REMINDERS", "Genre", "genre_of"]

_NAME = 100
_TITLE = 300
REMINDERS = frozenset({"reservation.pickup_reminder", "reservation.due_soon", "booking.reminder"})
"""The only kinds with a way to unsubscribe."""


def _no_entry(_kind: str, _facts: Any) -> Entry | None:
    return None


@dataclass(frozen=True, slots=True)
class Genre:
    """How facts of a shape become a message.

    `letter` names the template with the parts that its kinds share; `written` the facts that people wrote, at any
    depth, and how much of each is told; `zone` and `place` the facts that hold the time zone and where it is.
    `actions` name the facts that may hold the link of the one button, `more` the link of a lesser one.
    """

    letter: str
    written: Mapping[str, int]
    zone: str = ""
    place: str = ""
    actions: tuple[str, ...] = ("url",)
    more: str = ""
    entry_of: Callable[[str, Any], Entry | None] = _no_entry


_GENRES: Mapping[type[NoticeFacts], Genre] = MappingProxyType(
    {
        AccountFacts: Genre(letter="letter", written={"username": _NAME}),
        ReservationFacts: Genre(
            letter="letter",
            written={"title": _TITLE, "branch": _TITLE, "reason": _TITLE},
            zone="time_zone",
            place="branch",
            entry_of=reservation_entry,
        ),
        BookingFacts: Genre(
            letter="booking",
            written={
                **dict.fromkeys(("restaurant", "table", "previous_table", "guest", "name"), _NAME),
                "reason": _TITLE,
            },
            zone="time_zone",
            place="restaurant",
            actions=("cancel_url", "board_url"),
            more="booking_url",
            entry_of=booking_entry,
        ),
        EndpointFacts: Genre(letter="endpoint", written={"endpoint": _NAME}),
    }
)


def genre_of(facts: NoticeFacts) -> Genre:
    """The genre of a message with these facts."""
    return _GENRES[type(facts)]

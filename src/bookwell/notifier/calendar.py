"""Calendar entries that messages carry: RFC 5545 objects, told by iTIP's methods (RFC 5546) in a MIME part (RFC 6047).

A deadline is an all-day event that takes no time. It is published, not requested: nobody is asked to attend. The same
UID with a higher SEQUENCE moves it, and `METHOD:CANCEL` takes it away again.
"""

import datetime as dt
from dataclasses import dataclass
from email.utils import parseaddr
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress

from bookwell.contracts.messages import ReservationFacts
from bookwell.notifier.wording import last_day

__all__ = ["CalendarPart", "calendar_part", "purpose_of"]

_DEADLINES = {
    "reservation.ready": "pickup",
    "reservation.partner_ready": "pickup",
    "reservation.due_soon": "due",
    "reservation.renewed": "due",
}
_ENDINGS = frozenset({"reservation.cancelled", "reservation.expired"})
_NO_SENDER = "library@bookwell.invalid"


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """A MIME part `text/calendar; charset=utf-8; method=…`: `method` equals the one in the body."""

    method: str
    body: bytes
    filename: str


def purpose_of(kind: str, facts: ReservationFacts) -> str | None:
    """What the calendar entry of a message is about, `pickup` or `due`; None where it has none."""
    if kind in _ENDINGS:
        return "pickup" if facts.was_ready else None
    purpose = _DEADLINES.get(kind)
    return purpose if purpose and _deadline(purpose, facts) else None


def calendar_part(
    *,
    kind: str,
    facts: ReservationFacts,
    summary: str,
    description: str,
    place: str,
    sender: str,
    created_at: dt.datetime,
    sequence: int,
) -> CalendarPart | None:
    """The calendar entry that goes with a message, or None; the texts are clean single lines, `description` may break.

    `sender` is the library's mail address. Its domain makes the UID unique among libraries, so it has to stay the
    same between an entry and its cancellation.
    """
    purpose = purpose_of(kind, facts)
    if purpose is None:
        return None
    method, status = ("CANCEL", "CANCELLED") if kind in _ENDINGS else ("PUBLISH", "CONFIRMED")
    address = parseaddr(sender)[1] or _NO_SENDER
    event = Event()
    event.add("uid", f"reservation-{facts.reservation_id}-{purpose}@{address.rpartition('@')[2]}")
    event.add("dtstamp", created_at.astimezone(dt.UTC).replace(microsecond=0))
    event.add("sequence", sequence)
    event.add("status", status)
    _add_day(event, _deadline(purpose, facts), ZoneInfo(facts.time_zone))
    event.add("transp", "TRANSPARENT")
    event.add("summary", summary)
    event.add("description", description)
    event.add("location", place)
    event.add("organizer", _organizer(address, place))
    return CalendarPart(method, _object_of(event, method), f"{purpose}.ics")


def _deadline(purpose: str, facts: ReservationFacts) -> dt.datetime | None:
    return facts.pickup_deadline_at if purpose == "pickup" else facts.due_at


def _add_day(event: Event, deadline: dt.datetime | None, zone: ZoneInfo) -> None:
    """Put the event on the last day; only a cancellation may do without (RFC 5546, 3.2.5)."""
    if deadline is None:
        return
    day, _ = last_day(deadline, zone)
    event.add("dtstart", day)
    event.add("dtend", day + dt.timedelta(days=1))


def _organizer(address: str, name: str) -> vCalAddress:
    organizer = vCalAddress(f"mailto:{address}")
    organizer.params["CN"] = name.replace('"', "'")  # a parameter cannot hold a double quote (RFC 5545, 3.2)
    return organizer


def _object_of(event: Event, method: str) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Bookwell//Notifier//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    body: bytes = calendar.to_ical()
    return body

"""Calendar entries that messages carry: RFC 5545 objects, told by iTIP's methods (RFC 5546) in a MIME part (RFC 6047).

A deadline is an all-day event that takes no time. It is published, not requested: nobody is asked to attend. A booking
is requested of its guest, as the one attendee. The same UID with a higher SEQUENCE moves an entry, and `METHOD:CANCEL`
takes it away again. What a restaurant has not confirmed is in no calendar.
"""

import datetime as dt
from dataclasses import dataclass
from email.utils import parseaddr
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress

from bookwell.contracts.bookings import BookingFacts
from bookwell.contracts.messages import ReservationFacts
from bookwell.notifier.wording import last_day

__all__ = ["CalendarPart", "Entry", "Guest", "booking_entry", "calendar_part", "reservation_entry"]

_DEADLINES = {
    "reservation.ready": "pickup",
    "reservation.pickup_moved": "pickup",
    "reservation.partner_ready": "pickup",
    "reservation.due_soon": "due",
    "reservation.renewed": "due",
    "reservation.due_moved": "due",
}
_ENDINGS = frozenset({"reservation.cancelled", "reservation.expired", "reservation.not_ready"})
_VISITS = frozenset({"booking.confirmed", "booking.changed"})
_NO_SENDER = "library@bookwell.invalid"


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """A MIME part `text/calendar; charset=utf-8; method=…`: `method` equals the one in the body."""

    method: str
    body: bytes
    filename: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What a message does to a calendar: puts an event there, or takes it away when it `is_over`.

    `uid` lacks its domain. A day's event has dates. Only one that is over may do without times (RFC 5546, 3.2.5).
    `is_visit`: the guest is expected, and the time is taken.
    """

    uid: str
    purpose: str
    starts: dt.date | None
    ends: dt.date | None
    is_over: bool = False
    is_visit: bool = False

    @property
    def method(self) -> str:
        """The iTIP method."""
        if self.is_over:
            return "CANCEL"
        return "REQUEST" if self.is_visit else "PUBLISH"


@dataclass(frozen=True, slots=True)
class Guest:
    """Who is expected: a checked mail address, and a name as one clean line."""

    address: str
    name: str


def reservation_entry(kind: str, facts: ReservationFacts) -> Entry | None:
    """The entry of a deadline, for pickup or return; None where a message has none."""
    is_over = kind in _ENDINGS
    purpose = "pickup" if is_over else _DEADLINES.get(kind, "")
    deadline = facts.due_at if purpose == "due" else facts.pickup_deadline_at
    if not purpose or (is_over and not facts.was_ready) or not (is_over or deadline):
        return None
    uid = f"reservation-{facts.reservation_id}-{purpose}"
    if deadline is None:
        return Entry(uid, purpose, None, None, is_over)
    day, _ = last_day(deadline, ZoneInfo(facts.time_zone))
    return Entry(uid, purpose, day, day + dt.timedelta(days=1), is_over)


def booking_entry(kind: str, facts: BookingFacts) -> Entry | None:
    """The entry of a confirmed visit, or its end for a guest who may have one; None while nothing is confirmed."""
    is_over = kind == "booking.cancelled" and facts.was_confirmed
    if not is_over and not (kind in _VISITS and facts.state == "confirmed"):
        return None
    starts, ends = (each.astimezone(dt.UTC) for each in (facts.starts_at, facts.ends_at))
    return Entry(f"booking-{facts.booking_id}", "booking", starts, ends, is_over, is_visit=True)


def calendar_part(
    entry: Entry,
    *,
    summary: str,
    description: str,
    place: str,
    sender: str,
    guest: Guest | None,
    created_at: dt.datetime,
    sequence: int,
) -> CalendarPart | None:
    """The part of a mail for an entry; the texts are clean single lines, `description` may break.

    `sender` is our mail address. Its domain makes the UID unique among installations, so it has to stay the same
    between an entry and its cancellation. A visit of nobody in particular is no entry.
    """
    if entry.is_visit and guest is None:
        return None
    address = parseaddr(sender)[1] or _NO_SENDER
    event = Event()
    event.add("uid", f"{entry.uid}@{address.rpartition('@')[2]}")
    event.add("dtstamp", created_at.astimezone(dt.UTC).replace(microsecond=0))
    event.add("sequence", sequence)
    event.add("status", "CANCELLED" if entry.is_over else "CONFIRMED")
    if entry.starts is not None:
        event.add("dtstart", entry.starts)
        event.add("dtend", entry.ends)
    event.add("transp", "OPAQUE" if entry.is_visit else "TRANSPARENT")
    event.add("summary", summary)
    event.add("description", description)
    event.add("location", place)
    event.add("organizer", _person(address, place))
    if entry.is_visit and guest is not None:
        event.add("attendee", _attendee(guest))
    return CalendarPart(entry.method, _object_of(event, entry.method), f"{entry.purpose}.ics")


def _person(address: str, name: str) -> vCalAddress:
    person = vCalAddress(f"mailto:{address}")
    if name:
        person.params["CN"] = name.replace('"', "'")  # a parameter cannot hold a double quote (RFC 5545, 3.2)
    return person


def _attendee(guest: Guest) -> vCalAddress:
    """Who booked wants to come: nobody has to answer."""
    attendee = _person(guest.address, guest.name)
    attendee.params["ROLE"] = "REQ-PARTICIPANT"
    attendee.params["PARTSTAT"] = "ACCEPTED"
    attendee.params["RSVP"] = "FALSE"
    return attendee


def _object_of(event: Event, method: str) -> bytes:
    calendar = Calendar()
    calendar.add("prodid", "-//Bookwell//Notifier//EN")
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    body: bytes = calendar.to_ical()
    return body

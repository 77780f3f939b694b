import datetime as dt
from typing import Any

import pytest
from icalendar import Calendar, Event

from bookwell.kit.languages import LANGUAGES
from bookwell.notifier.calendar import CalendarPart
from bookwell.notifier.rendering import render
from tests.unit.notifier.notices import (
    EVENT_AT,
    LAST_SECOND_OF_3_JANUARY,
    TURNS,
    WRITTEN_BY_PEOPLE,
    notice_of,
    rendered,
    rendered_turn,
)

_WITH_ENTRY = {
    "ready": ("PUBLISH", "CONFIRMED", "pickup"),
    "pickup_moved": ("PUBLISH", "CONFIRMED", "pickup"),
    "pickup_moved by a partner": ("PUBLISH", "CONFIRMED", "pickup"),
    "partner_ready": ("PUBLISH", "CONFIRMED", "pickup"),
    "due_soon": ("PUBLISH", "CONFIRMED", "due"),
    "due_soon at a partner": ("PUBLISH", "CONFIRMED", "due"),
    "renewed": ("PUBLISH", "CONFIRMED", "due"),
    "due_moved": ("PUBLISH", "CONFIRMED", "due"),
    "due_moved by a partner": ("PUBLISH", "CONFIRMED", "due"),
    "expired after ready": ("CANCEL", "CANCELLED", "pickup"),
    "not_ready": ("CANCEL", "CANCELLED", "pickup"),
    "not_ready, at another branch": ("CANCEL", "CANCELLED", "pickup"),
    "not_ready, at a partner": ("CANCEL", "CANCELLED", "pickup"),
    "cancelled by the library": ("CANCEL", "CANCELLED", "pickup"),
}
_VISITS = {
    "booking confirmed": ("REQUEST", "CONFIRMED"),
    "booking confirmed with a word": ("REQUEST", "CONFIRMED"),
    "booking changed": ("REQUEST", "CONFIRMED"),
    "booking cancelled by the guest": ("CANCEL", "CANCELLED"),
    "booking cancelled by staff": ("CANCEL", "CANCELLED"),
    "booking cancelled by the system": ("CANCEL", "CANCELLED"),
}


def _long_words(kind: str) -> dict[str, str]:
    return dict.fromkeys(WRITTEN_BY_PEOPLE[kind.partition(".")[0]], "Ж" * 200)


def _parse(part: CalendarPart | None) -> tuple[Calendar, Event]:
    assert part is not None
    calendar = Calendar.from_ical(part.body)
    assert isinstance(calendar, Calendar)
    (event,) = calendar.events
    return calendar, event


@pytest.mark.parametrize("turn", TURNS)
def test_calendar__comes_with_deadlines_confirmed_visits_and_their_end_alone(turn: str) -> None:
    assert (rendered_turn(turn, "en").calendar is not None) is (turn in {*_WITH_ENTRY, *_VISITS})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", _VISITS)
def test_calendar__visit__is_requested_of_its_guest_under_one_uid(turn: str, language: str) -> None:
    method, status = _VISITS[turn]

    part = rendered_turn(turn, language).calendar

    calendar, event = _parse(part)
    assert part is not None
    assert (calendar["METHOD"], part.method, event["STATUS"]) == (method, method, status)
    assert part.filename == "booking.ics"
    assert (event["UID"], event["SEQUENCE"]) == ("booking-31@library.example", 4)
    assert event.decoded("DTSTART") == dt.datetime(2027, 1, 3, 17, tzinfo=dt.UTC)
    assert event.decoded("DTEND") == dt.datetime(2027, 1, 3, 18, 30, tzinfo=dt.UTC)
    assert event["TRANSP"] == "OPAQUE"
    assert (event["ORGANIZER"], event["ORGANIZER"].params["CN"]) == ("mailto:desk@library.example", "Zxcv")
    assert event["ATTENDEE"] == "mailto:hgfd@mail.example"
    assert dict(event["ATTENDEE"].params) == {
        "CN": "Hgfd",
        "ROLE": "REQ-PARTICIPANT",
        "PARTSTAT": "ACCEPTED",
        "RSVP": "FALSE",
    }
    assert event["LOCATION"] == "Zxcv"
    assert "https://" not in part.body.decode()  # calendars are shared, links are the guest's own
    assert not calendar.errors
    assert not event.errors


@pytest.mark.parametrize("sequence", [1, 2, 7])
def test_calendar__visit__is_moved_by_the_bookings_version(sequence: int) -> None:
    notice = notice_of("booking.changed")
    part = render("booking.changed", notice, delivery_id="d1", created_at=EVENT_AT, sequence=sequence).calendar

    _, event = _parse(part)
    assert event["SEQUENCE"] == sequence


@pytest.mark.parametrize("email", ["", "no address", "a@b.example\r\nBEGIN:VEVENT"])
def test_calendar__visit_of_nobody_with_an_address__is_no_entry(email: str) -> None:
    notice = notice_of("booking.confirmed")
    nobody = notice.model_copy(update={"recipient": notice.recipient.model_copy(update={"email": email})})

    assert render("booking.confirmed", nobody, delivery_id="d1", created_at=EVENT_AT, sequence=1).calendar is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", _WITH_ENTRY)
def test_calendar__entry__is_a_valid_itip_object(turn: str, language: str) -> None:
    method, status, purpose = _WITH_ENTRY[turn]

    part = rendered_turn(turn, language).calendar

    calendar, event = _parse(part)
    assert part is not None
    assert (calendar["METHOD"], part.method, event["STATUS"]) == (method, method, status)
    assert calendar["VERSION"] == "2.0"
    assert calendar["PRODID"]
    assert part.filename == f"{purpose}.ics"
    assert event["UID"] == f"reservation-17-{purpose}@library.example"
    assert event["SEQUENCE"] == 4
    assert event.decoded("DTSTAMP") == EVENT_AT
    assert event.decoded("DTSTART") == dt.date(2027, 1, 3)
    assert event.decoded("DTEND") == dt.date(2027, 1, 4)
    assert event["TRANSP"] == "TRANSPARENT"
    assert event["ORGANIZER"] == "mailto:desk@library.example"
    assert "Qwrt" in str(event["SUMMARY"])
    assert event["LOCATION"] == "Zxcv"
    assert "Qwrt" in str(event["DESCRIPTION"])
    assert "ATTENDEE" not in event
    assert not calendar.errors
    assert not event.errors


@pytest.mark.parametrize("turn", [*_WITH_ENTRY, *_VISITS])
def test_calendar__lines__are_folded_and_ended_as_rfc_5545_asks(turn: str) -> None:
    kind, facts = TURNS[turn]

    part = rendered(kind, language="ru", name="Ж" * 90, **(facts | _long_words(kind))).calendar

    assert part is not None
    assert part.body.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in part.body.replace(b"\r\n", b"")
    for line in part.body.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()


@pytest.mark.parametrize(
    "hostile",
    [
        "Title\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nATTENDEE:mailto:victim@mail.example",
        'quote" ; comma, semicolon; backslash\\ colon: caret^n',
        "evil\u202egnp.exe\x00\u2028",
        "T" * 10_000,
    ],
)
@pytest.mark.parametrize("turn", [*_WITH_ENTRY, *_VISITS])
def test_calendar__hostile_words__stay_inside_their_values(turn: str, hostile: str) -> None:
    kind, facts = TURNS[turn]
    _, harmless = _parse(rendered_turn(turn, "en").calendar)

    written = dict.fromkeys(WRITTEN_BY_PEOPLE[kind.partition(".")[0]], hostile)
    _, event = _parse(rendered(kind, name=hostile, **(facts | written)).calendar)

    assert set(event) == set(harmless)
    assert event["UID"] == harmless["UID"]
    assert str(event["SUMMARY"]).isprintable()
    assert str(event["LOCATION"]).isprintable()
    assert len(str(event["SUMMARY"])) < 400
    assert str(event["ORGANIZER"]) == "mailto:desk@library.example"
    assert '"' not in event["ORGANIZER"].params["CN"]
    assert event["ORGANIZER"].params["CN"].isprintable()


def test_calendar__same_reservation__keeps_its_uid_until_it_is_cancelled() -> None:
    _, ready = _parse(rendered_turn("ready", "en").calendar)
    _, cancelled = _parse(rendered_turn("cancelled by the library", "pl").calendar)
    _, due = _parse(rendered_turn("due_soon", "en").calendar)

    assert ready["UID"] == cancelled["UID"]
    assert ready["UID"] != due["UID"]


def test_calendar__ended_without_a_known_deadline__is_cancelled_by_its_uid() -> None:
    _, event = _parse(rendered("reservation.cancelled", state="cancelled", was_ready=True).calendar)

    assert "DTSTART" not in event
    assert event["STATUS"] == "CANCELLED"


@pytest.mark.parametrize(
    ("zone", "deadline", "day"),
    [
        ("Europe/Warsaw", LAST_SECOND_OF_3_JANUARY, dt.date(2027, 1, 3)),
        ("Europe/Warsaw", "2027-01-03T23:00:00Z", dt.date(2027, 1, 3)),  # a midnight ends the day before it
        ("Europe/Warsaw", "2027-01-03T13:00:00Z", dt.date(2027, 1, 3)),
        ("Pacific/Kiritimati", "2027-01-03T09:59:59Z", dt.date(2027, 1, 3)),
        ("America/Los_Angeles", "2027-01-04T07:59:59Z", dt.date(2027, 1, 3)),
        ("Europe/Warsaw", "2026-10-25T22:59:59Z", dt.date(2026, 10, 25)),  # the clocks went back that morning
    ],
)
def test_calendar__deadline__falls_on_the_branchs_day(zone: str, deadline: str, day: dt.date) -> None:
    facts: dict[str, Any] = {"time_zone": zone, "pickup_deadline_at": deadline}

    _, event = _parse(rendered("reservation.ready", **facts).calendar)

    assert event.decoded("DTSTART") == day

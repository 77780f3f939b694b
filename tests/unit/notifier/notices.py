"""One notice for every turn that a message can take; facts that people wrote are no words of any language."""

import datetime as dt
from typing import Any

from bookwell.contracts.messages import Notice, Recipient
from bookwell.notifier.rendering import RenderedMessage, render

EVENT_AT = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
LAST_SECOND_OF_3_JANUARY = "2027-01-03T22:59:59Z"  # in Warsaw
LINK = "https://library.example/confirm?key=a%3Ab&next=1"
MORE_LINK = "https://library.example/booking/?id=b2"
UNSUBSCRIBE = "https://library.example/unsubscribe/x1"
WRITTEN_BY_PEOPLE = {
    "reservation": {"title", "branch", "reason"},
    "account": {"username"},
    "booking": {"restaurant", "table", "previous_table", "reason"},
    "endpoint": {"endpoint"},
}
"""Facts by what they are about."""

_RESERVATION = {
    "reservation_id": 17,
    "state": "ready",
    "title": "Qwrt",
    "branch": "Zxcv",
    "time_zone": "Europe/Warsaw",
}
_BOOKING = {
    "booking_id": 31,
    "state": "confirmed",
    "restaurant": "Zxcv",
    "table": "Qwrt",
    "table_type": "cabin",
    "party_size": 3,
    "starts_at": "2027-01-03T17:00:00Z",
    "ends_at": "2027-01-03T18:30:00Z",
    "time_zone": "Europe/Warsaw",
    "price": 123450,
}
_BASES: dict[str, dict[str, Any]] = {
    "reservation": _RESERVATION,
    "account": {"username": "Bnmk"},
    "booking": _BOOKING,
    "endpoint": {"endpoint": "Qwrt"},
}
_LINKS = {"cancel_url": LINK, "booking_url": MORE_LINK}
_WAITING = {"state": "requested", "decide_by": "2026-11-22T16:00:00Z"}
_MOVED = {
    "previous_table": "Bnmk",
    "previous_starts_at": "2027-01-02T22:30:00Z",
    "previous_ends_at": "2027-01-03T00:00:00Z",
}
_FREE = {
    "alternatives": [
        {"table_id": 5, "name": "Qwrt", "table_type": "room", "seats": 6, "price": 9900},
        {"table_id": 6, "name": "Bnmk", "table_type": "regular", "seats": 4, "price": 0},
    ]
}

TURNS: dict[str, tuple[str, dict[str, Any]]] = {
    "confirm_email": ("account.confirm_email", {"url": LINK}),
    "known_email, may be confirmed": ("account.known_email", {"url": LINK}),
    "known_email, belongs to another": ("account.known_email", {"url": None}),
    "email_changed": ("account.email_changed", {}),
    "password_changed": ("account.password_changed", {}),
    "password_reset": ("account.password_reset", {"url": LINK}),
    "placed, waiting": (
        "reservation.placed",
        {"state": "waiting", "position": 3, "estimated_ready_on": "2027-01-03"},
    ),
    "placed, waiting first": ("reservation.placed", {"state": "waiting", "position": 1}),
    "placed, waiting at an unknown place": ("reservation.placed", {"state": "waiting"}),
    "placed, assigned": ("reservation.placed", {"state": "assigned", "reserved_until": LAST_SECOND_OF_3_JANUARY}),
    "placed, shelved at once": ("reservation.placed", {"state": "ready"}),
    "partner_requested": ("reservation.partner_requested", {"state": "requested"}),
    "partner_requested for a time": (
        "reservation.partner_requested",
        {"state": "requested", "reserved_until": LAST_SECOND_OF_3_JANUARY},
    ),
    "partner_accepted": ("reservation.partner_accepted", {"state": "accepted"}),
    "partner_accepted for a time": (
        "reservation.partner_accepted",
        {"state": "accepted", "reserved_until": LAST_SECOND_OF_3_JANUARY},
    ),
    "partner_refused": ("reservation.partner_refused", {"state": "refused", "reason": "Plmk"}),
    "partner_refused by its absence": ("reservation.partner_refused", {"state": "refused", "reason": "partner_gone"}),
    "partner_refused, not_held": ("reservation.partner_refused", {"state": "refused", "reason": "not_held"}),
    "partner_refused, already_taken": ("reservation.partner_refused", {"state": "refused", "reason": "already_taken"}),
    "partner_refused, holds_unsupported": (
        "reservation.partner_refused",
        {"state": "refused", "reason": "holds_unsupported"},
    ),
    "partner_refused, refused": ("reservation.partner_refused", {"state": "refused", "reason": "refused"}),
    "partner_refused without a reason": ("reservation.partner_refused", {"state": "refused"}),
    "partner_ready": ("reservation.partner_ready", {"pickup_deadline_at": LAST_SECOND_OF_3_JANUARY}),
    "partner_ready without a deadline": ("reservation.partner_ready", {}),
    "ready": ("reservation.ready", {"pickup_deadline_at": LAST_SECOND_OF_3_JANUARY}),
    "ready without a deadline": ("reservation.ready", {}),
    "not_ready": (
        "reservation.not_ready",
        {"state": "waiting", "was_ready": True, "pickup_deadline_at": LAST_SECOND_OF_3_JANUARY},
    ),
    "not_ready, at another branch": (
        "reservation.not_ready",
        {"state": "in_transit", "was_ready": True, "pickup_deadline_at": LAST_SECOND_OF_3_JANUARY},
    ),
    "not_ready, at a partner": (
        "reservation.not_ready",
        {
            "state": "accepted",
            "was_ready": True,
            "pickup_deadline_at": LAST_SECOND_OF_3_JANUARY,
            "at_partner": True,
        },
    ),
    "pickup_moved": ("reservation.pickup_moved", {"pickup_deadline_at": LAST_SECOND_OF_3_JANUARY}),
    "pickup_moved without a deadline": ("reservation.pickup_moved", {}),
    "pickup_moved by a partner": (
        "reservation.pickup_moved",
        {"pickup_deadline_at": LAST_SECOND_OF_3_JANUARY, "at_partner": True},
    ),
    "pickup_reminder": ("reservation.pickup_reminder", {"pickup_deadline_at": LAST_SECOND_OF_3_JANUARY}),
    "pickup_reminder without a deadline": ("reservation.pickup_reminder", {}),
    "expired after ready": (
        "reservation.expired",
        {"state": "expired", "was_ready": True, "pickup_deadline_at": LAST_SECOND_OF_3_JANUARY},
    ),
    "expired while waiting": (
        "reservation.expired",
        {"state": "expired", "reserved_until": "2027-01-03T13:00:00Z"},
    ),
    "cancelled by the reader": ("reservation.cancelled", {"state": "cancelled", "ended_by": "reader"}),
    "cancelled by the library": (
        "reservation.cancelled",
        {
            "state": "cancelled",
            "ended_by": "library",
            "reason": "Plmk",
            "was_ready": True,
            "pickup_deadline_at": LAST_SECOND_OF_3_JANUARY,
        },
    ),
    "cancelled by nobody named": ("reservation.cancelled", {"state": "cancelled"}),
    "due_soon": ("reservation.due_soon", {"state": "borrowed", "due_at": LAST_SECOND_OF_3_JANUARY}),
    "due_soon without a date": ("reservation.due_soon", {"state": "borrowed"}),
    "due_soon at a partner": (
        "reservation.due_soon",
        {"state": "borrowed", "due_at": LAST_SECOND_OF_3_JANUARY, "at_partner": True},
    ),
    "overdue at a partner": (
        "reservation.overdue",
        {"state": "borrowed", "due_at": "2026-11-17T22:59:59Z", "at_partner": True},
    ),
    "renewed": ("reservation.renewed", {"state": "borrowed", "due_at": LAST_SECOND_OF_3_JANUARY}),
    "renewed without a date": ("reservation.renewed", {"state": "borrowed"}),
    "due_moved": ("reservation.due_moved", {"state": "borrowed", "due_at": LAST_SECOND_OF_3_JANUARY}),
    "due_moved without a date": ("reservation.due_moved", {"state": "borrowed"}),
    "due_moved by a partner": (
        "reservation.due_moved",
        {"state": "borrowed", "due_at": LAST_SECOND_OF_3_JANUARY, "at_partner": True},
    ),
    "overdue": ("reservation.overdue", {"state": "borrowed", "due_at": "2026-11-17T22:59:59Z"}),
    "overdue since today": ("reservation.overdue", {"state": "borrowed", "due_at": "2026-11-22T11:00:00Z"}),
    "overdue without a date": ("reservation.overdue", {"state": "borrowed"}),
    "order received": ("booking.requested", _WAITING | _LINKS),
    "order received, without more": ("booking.requested", {"state": "requested", "price": 0, "table_type": "regular"}),
    "booking confirmed": ("booking.confirmed", _LINKS | {"table_type": "room"}),
    "booking confirmed with a word": ("booking.confirmed", _LINKS | {"reason": "Plmk"}),
    "order declined": ("booking.declined", {"state": "declined", "reason": "Plmk"}),
    "order declined, others are free": ("booking.declined", {"state": "declined"} | _FREE),
    "order expired": ("booking.expired", {"state": "expired", "ended_by": "system"}),
    "order cancelled by the guest": ("booking.cancelled", {"state": "cancelled", "ended_by": "guest"}),
    "booking cancelled by the guest": (
        "booking.cancelled",
        {"state": "cancelled", "ended_by": "guest", "was_confirmed": True},
    ),
    "order cancelled by staff": ("booking.cancelled", {"state": "cancelled", "ended_by": "staff", "reason": "Plmk"}),
    "booking cancelled by staff": (
        "booking.cancelled",
        {"state": "cancelled", "ended_by": "staff", "reason": "Plmk", "was_confirmed": True} | _FREE,
    ),
    "order cancelled by the system": ("booking.cancelled", {"state": "cancelled", "ended_by": "system"}),
    "booking cancelled by the system": (
        "booking.cancelled",
        {"state": "cancelled", "ended_by": "system", "was_confirmed": True},
    ),
    "order changed": ("booking.changed", _WAITING | _LINKS | _MOVED),
    "booking changed": ("booking.changed", _LINKS | _MOVED | {"was_confirmed": True}),
    "visit near": ("booking.reminder", _LINKS),
    "order escalated": ("booking.escalated", _WAITING | {"guest": "Bnmk", "board_url": LINK}),
    "order escalated without a board": ("booking.escalated", _WAITING),
    "endpoint gone": ("endpoint.disabled", {}),
}


def notice_of(kind: str, *, language: str = "en", name: str = "Hgfd", **facts: Any) -> Notice:
    base = _BASES.get(kind.partition(".")[0], {})
    return Notice(
        recipient=Recipient(reference="user:5", name=name, email="hgfd@mail.example", language=language),
        is_mandatory=True,
        unsubscribe_url=UNSUBSCRIBE,
        facts=base | facts,
    )


def rendered(kind: str, *, language: str = "en", name: str = "Hgfd", **facts: Any) -> RenderedMessage:
    return render(
        kind,
        notice_of(kind, language=language, name=name, **facts),
        delivery_id="d1",
        created_at=EVENT_AT,
        sequence=4,
        sender="The library <desk@library.example>",
    )


def rendered_turn(turn: str, language: str) -> RenderedMessage:
    kind, facts = TURNS[turn]
    return rendered(kind, language=language, **facts)

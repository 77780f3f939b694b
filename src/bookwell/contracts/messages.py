"""What travels from a service's outbox to a consumer: the envelope, and the notices that the notifier sends.

A notice carries all that its message needs, fixed when the change was committed; the notifier asks nobody. Readers of
a contract ignore fields that they do not know; a field that changes its meaning gets a new `version`.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from bookwell.contracts.bookings import BookingFacts
from bookwell.contracts.webhooks import EndpointFacts

__all__ = [
    "NOTICES",
    "PERSON_FORGOTTEN",
    "AccountFacts",
    "ChannelName",
    "Envelope",
    "Notice",
    "NoticeFacts",
    "PersonForgotten",
    "Recipient",
    "ReservationFacts",
]


class ChannelName(StrEnum):
    """By which way a message reaches somebody."""

    EMAIL = "email"
    SMS = "sms"


class _Contract(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Envelope(_Contract):
    """One outbox row on its way: `source` names the service whose outbox holds it and gets the receipt.

    `aggregate` names what changed (`reservation:17`); its messages are told in the order of `aggregate_version`.
    `created_at` is in milliseconds since 1970. `traceparent` is the W3C trace context in which the row was written,
    empty where there was none.
    """

    event_id: str
    source: str
    queue: str
    type: str
    version: int
    aggregate: str
    aggregate_version: int
    created_at: int
    payload: dict[str, Any]
    traceparent: str = ""


class Recipient(_Contract):
    """Whom to tell. `reference` names the person in the source (`user:5`); `channels` are in order of preference.

    Without channels only mandatory notices are sent, to the address there is.
    """

    reference: str
    name: str
    email: str = ""
    phone: str = ""
    language: str = "en"
    channels: tuple[str, ...] = ()


class ReservationFacts(_Contract):
    """A reservation as it was after the change. Instants are in UTC and told in `time_zone`, the pickup branch's.

    `branch` is where it is picked up: of a reservation at a partner library (`at_partner`), that one's name.

    `position` is the place in the queue while waiting; `ended_by` says who cancelled, `reason` why.
    """

    reservation_id: int
    state: str
    title: str
    branch: str
    time_zone: str
    position: int | None = None
    estimated_ready_on: dt.date | None = None
    pickup_deadline_at: dt.datetime | None = None
    due_at: dt.datetime | None = None
    reserved_until: dt.datetime | None = None
    was_ready: bool = False
    at_partner: bool = False
    ended_by: Literal["reader", "library", ""] = ""
    reason: str = ""


class AccountFacts(_Contract):
    """An account's mail; `url` is the link to follow, where there is one."""

    username: str
    url: str | None = None


class Notice(_Contract):
    """Payload of every message for the notifier; `facts` has the shape that `NOTICES` names for the type.

    A mandatory notice ignores preferences. After `expires_at` it would be wrong, and is not sent any more.
    `unsubscribe_url` stands on reminders alone and takes a one-click POST (RFC 8058).
    """

    recipient: Recipient
    is_mandatory: bool
    expires_at: dt.datetime | None = None
    unsubscribe_url: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)


class PersonForgotten(_Contract):
    """Payload of `PERSON_FORGOTTEN`: the source knows the person of this reference no longer, nor may anybody else.

    `about` are the aggregates whose messages told others of the person: staff, or a webhook's endpoint.
    """

    reference: str
    about: tuple[str, ...] = ()


PERSON_FORGOTTEN = "person.forgotten"
"""No notice: whoever keeps something of a person forgets it, and tells that person nothing any more."""

NoticeFacts: TypeAlias = ReservationFacts | AccountFacts | BookingFacts | EndpointFacts

NOTICES: Mapping[str, type[NoticeFacts]] = MappingProxyType(
    {
        "account.confirm_email": AccountFacts,
        "account.known_email": AccountFacts,
        "account.email_changed": AccountFacts,
        "account.password_changed": AccountFacts,
        "account.password_reset": AccountFacts,
        "reservation.placed": ReservationFacts,
        "reservation.ready": ReservationFacts,
        "reservation.not_ready": ReservationFacts,
        "reservation.pickup_moved": ReservationFacts,
        "reservation.pickup_reminder": ReservationFacts,
        "reservation.expired": ReservationFacts,
        "reservation.cancelled": ReservationFacts,
        "reservation.due_soon": ReservationFacts,
        "reservation.overdue": ReservationFacts,
        "reservation.renewed": ReservationFacts,
        "reservation.due_moved": ReservationFacts,
        "reservation.partner_requested": ReservationFacts,
        "reservation.partner_accepted": ReservationFacts,
        "reservation.partner_refused": ReservationFacts,
        "reservation.partner_ready": ReservationFacts,
        "booking.requested": BookingFacts,
        "booking.confirmed": BookingFacts,
        "booking.declined": BookingFacts,
        "booking.expired": BookingFacts,
        "booking.cancelled": BookingFacts,
        "booking.changed": BookingFacts,
        "booking.reminder": BookingFacts,
        "booking.escalated": BookingFacts,
        "endpoint.disabled": EndpointFacts,
    }
)
"""The types that people are told about. Every other type is a fact that nobody gets a message for."""

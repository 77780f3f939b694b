"""What leaves the context: every change of a booking that its guest is told of, in the shape of a `Notice`."""

import datetime as dt
from typing import Any

from bookwell.contracts.bookings import BookingFacts
from bookwell.contracts.messages import PERSON_FORGOTTEN, ChannelName, Notice, PersonForgotten, Recipient
from bookwell.kit.outbox import OutgoingMessage

__all__ = ["guest_forgotten", "guest_notice", "has_contact", "staff_notice"]

_QUEUES = {ChannelName.EMAIL: "mail", ChannelName.SMS: "sms"}
_REMINDER = "booking.reminder"


def has_contact(booked: Any) -> bool:
    """Whether its guest can be told anything."""
    return bool(booked.email or booked.phone)


def guest_notice(kind: str, *, booked: Any, facts: BookingFacts, unsubscribe_url: str | None = None) -> OutgoingMessage:
    """Tell a guest who has left a contact, by e-mail, or by SMS without an address."""
    channel = ChannelName.EMAIL if booked.email else ChannelName.SMS
    recipient = Recipient(
        reference=f"booking:{booked.id}",
        name=booked.name,
        email=booked.email,
        phone=booked.phone,
        language=booked.locale,
        channels=(channel.value,),
    )
    notice = _notice(kind, recipient, facts).model_copy(update={"unsubscribe_url": unsubscribe_url})
    return OutgoingMessage(
        queue=_QUEUES[channel],
        type=kind,
        aggregate=f"booking:{booked.id}",
        aggregate_version=booked.version,
        payload=notice.model_dump(mode="json"),
    )


def staff_notice(kind: str, *, booked: Any, facts: BookingFacts, email: str, language: str) -> OutgoingMessage:
    """Tell the restaurant's staff of an order that waits; not in the line of what its guest is told."""
    recipient = Recipient(
        reference="staff", name=facts.restaurant, email=email, language=language, channels=(ChannelName.EMAIL.value,)
    )
    return OutgoingMessage(
        queue=_QUEUES[ChannelName.EMAIL],
        type=kind,
        aggregate=f"escalation:{booked.id}",
        aggregate_version=booked.version,
        payload=_notice(kind, recipient, facts).model_dump(mode="json"),
    )


def guest_forgotten(*, booking_id: int, version: int) -> OutgoingMessage:
    """Let whoever keeps something of a booking's guest forget it; `version` comes after all that was told."""
    told = (f"booking:{booking_id}", f"escalation:{booking_id}")
    return OutgoingMessage(
        queue=_QUEUES[ChannelName.EMAIL],
        type=PERSON_FORGOTTEN,
        aggregate=f"booking:{booking_id}",
        aggregate_version=version,
        payload=PersonForgotten(reference=f"booking:{booking_id}", about=told).model_dump(mode="json"),
    )


def _notice(kind: str, recipient: Recipient, facts: BookingFacts) -> Notice:
    told = facts.model_dump(mode="json")
    is_mandatory = kind != _REMINDER
    return Notice(recipient=recipient, is_mandatory=is_mandatory, expires_at=_wrong_after(kind, facts), facts=told)


def _wrong_after(kind: str, facts: BookingFacts) -> dt.datetime:
    """When a message begins to be wrong: that an order waits, at its deadline; else when the visit begins or ends."""
    if facts.decide_by is not None:
        return facts.decide_by
    return facts.starts_at if kind == _REMINDER else facts.ends_at

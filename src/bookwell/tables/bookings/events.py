"""What leaves the context: every change of a booking that its guest is told of, in the shape of a `Notice`."""

import datetime as dt
from dataclasses import replace
from typing import Any

from bookwell.contracts.bookings import BookingFacts
from bookwell.contracts.messages import ChannelName, Notice, Recipient
from bookwell.kit.outbox import OutgoingMessage

__all__ = ["guest_notice", "staff_notice"]

_QUEUE = "mail"


def guest_notice(
    kind: str, *, booked: Any, facts: BookingFacts, expires_at: dt.datetime | None
) -> OutgoingMessage | None:
    """Tell the guest by e-mail, or by SMS without one; None for a guest who left neither."""
    channels = [ChannelName.EMAIL.value] if booked.email else [ChannelName.SMS.value] if booked.phone else []
    if not channels:
        return None
    recipient = Recipient(
        reference=f"booking:{booked.id}",
        name=booked.name,
        email=booked.email,
        phone=booked.phone,
        language=booked.locale,
        channels=tuple(channels),
    )
    return _message(kind, booked=booked, facts=facts, recipient=recipient, expires_at=expires_at)


def staff_notice(kind: str, *, booked: Any, facts: BookingFacts, email: str) -> OutgoingMessage:
    """Tell the restaurant's staff of an order that waits; not in the line of what its guest is told."""
    recipient = Recipient(reference="staff", name=facts.restaurant, email=email, channels=(ChannelName.EMAIL.value,))
    told = _message(kind, booked=booked, facts=facts, recipient=recipient, expires_at=facts.decide_by)
    return replace(told, aggregate=f"escalation:{booked.id}")


def _message(
    kind: str, *, booked: Any, facts: BookingFacts, recipient: Recipient, expires_at: dt.datetime | None
) -> OutgoingMessage:
    told = facts.model_dump(mode="json")
    notice = Notice(recipient=recipient, is_mandatory=True, expires_at=expires_at, facts=told)
    return OutgoingMessage(
        queue=_QUEUE,
        type=kind,
        aggregate=f"booking:{booked.id}",
        aggregate_version=booked.version,
        payload=notice.model_dump(mode="json"),
    )

"""Facts that leave circulation: every change of a reservation is one message, in the shape of a `Notice`.

Plain dicts and no contract class here: placing writes one for each reservation, and a test holds them against the
contract. Types that the contract does not name are told to nobody.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Required, TypedDict

from bookwell.kit.outbox import OutgoingMessage

__all__ = [
    "Facts",
    "Recipient",
    "ReservationFact",
    "cancel_hold_message",
    "place_hold_message",
    "without_person",
]

_MANDATORY = frozenset({"ready", "not_ready", "pickup_moved", "expired", "overdue", "partner_ready", "partner_refused"})
"""What a reader may not miss: a copy that lies there and until when, one that is gone or will not come, one that is
asked back.
"""

_WRONG_AFTER = {
    "ready": "pickup_deadline_at",
    "partner_ready": "pickup_deadline_at",
    "pickup_moved": "pickup_deadline_at",
    "pickup_reminder": "pickup_deadline_at",
    "due_soon": "due_at",
    "due_moved": "due_at",
}
"""The fact after whose instant a message would be wrong."""


class Facts(TypedDict, total=False):
    """The fields of the contract's `ReservationFacts`."""

    reservation_id: Required[int]
    state: Required[str]
    title: Required[str]
    branch: Required[str]
    time_zone: Required[str]
    position: int | None
    estimated_ready_on: dt.date | None
    pickup_deadline_at: dt.datetime | None
    due_at: dt.datetime | None
    reserved_until: dt.datetime | None
    was_ready: bool
    at_partner: bool
    ended_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to tell, in which language, by which channels."""

    reader_id: int
    name: str
    email: str
    language: str
    channels: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReservationFact:
    """A change of one reservation with all that its message needs, so that the notifier asks nobody.

    `told_again_at` is when the next message of this kind takes the place of this one, where that is known.
    """

    change: str
    version: int
    recipient: Recipient
    facts: Facts
    unsubscribe_url: str | None = None
    told_again_at: dt.datetime | None = None

    def message(self) -> OutgoingMessage:
        """The outbox row's content."""
        recipient, facts = self.recipient, self.facts
        payload = {
            "recipient": {
                "reference": f"user:{recipient.reader_id}",
                "name": recipient.name,
                "email": recipient.email,
                "phone": "",
                "language": recipient.language,
                "channels": recipient.channels,
            },
            "is_mandatory": self.change in _MANDATORY or facts.get("ended_by") == "library",
            "expires_at": facts.get(_WRONG_AFTER.get(self.change, ""), self.told_again_at),
            "unsubscribe_url": self.unsubscribe_url,
            "facts": facts,
        }
        return OutgoingMessage(
            queue="mail",
            type=f"reservation.{self.change}",
            aggregate=f"reservation:{facts['reservation_id']}",
            aggregate_version=self.version,
            payload=payload,
        )


def place_hold_message(*, reservation_id: int, version: int) -> OutgoingMessage:
    """Ask a partner for a hold; the worker reads everything else when it gets there."""
    return _errand("partner.place_hold", reservation_id, version)


def cancel_hold_message(*, reservation_id: int, version: int) -> OutgoingMessage:
    """Take a hold at a partner back."""
    return _errand("partner.cancel_hold", reservation_id, version)


def _errand(kind: str, reservation_id: int, version: int) -> OutgoingMessage:
    return OutgoingMessage(
        queue="library",
        type=kind,
        aggregate=f"reservation:{reservation_id}",
        aggregate_version=version,
        payload={"reservation_id": reservation_id},
    )


def without_person(payload: dict[str, Any]) -> dict[str, Any]:
    """A message's payload without the person: no name, no address, no channel and no link that knows who it was."""
    if "recipient" not in payload:
        return payload
    nobody = {"name": "", "email": "", "phone": "", "channels": []}
    return payload | {"recipient": payload["recipient"] | nobody, "unsubscribe_url": None}

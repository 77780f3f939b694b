"""Facts that leave circulation: every change of a reservation is one message for the notifier."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from bookwell.kit.outbox import OutgoingMessage

__all__ = ["Recipient", "ReservationFact", "without_person"]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom to tell, in which language, by which channels."""

    reader_id: int
    name: str
    email: str
    language: str
    channels: list[str]


@dataclass(frozen=True, slots=True)
class ReservationFact:
    """A change of one reservation with all that its message needs, so that the notifier asks nobody."""

    change: str
    reservation_id: int
    version: int
    state: str
    title: str
    branch: str
    recipient: Recipient
    details: dict[str, Any] = field(default_factory=dict)

    def message(self) -> OutgoingMessage:
        """The outbox row's content; instants in RFC 3339, UTC."""
        payload = {
            "reservation_id": self.reservation_id,
            "state": self.state,
            "title": self.title,
            "branch": self.branch,
            "recipient": {
                "reader_id": self.recipient.reader_id,
                "name": self.recipient.name,
                "email": self.recipient.email,
                "language": self.recipient.language,
                "channels": self.recipient.channels,
            },
            "details": {name: _portable(value) for name, value in self.details.items() if value is not None},
        }
        return OutgoingMessage(
            queue="mail",
            type=f"reservation.{self.change}",
            aggregate=f"reservation:{self.reservation_id}",
            aggregate_version=self.version,
            payload=payload,
        )


def without_person(payload: dict[str, Any]) -> dict[str, Any]:
    """A message's payload without the person: no name, no address, no channel to send it by."""
    if "recipient" not in payload:
        return payload
    return payload | {"recipient": payload["recipient"] | {"name": "", "email": "", "channels": []}}


def _portable(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.date) else value

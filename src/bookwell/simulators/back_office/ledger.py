"""The orders that the back office knows, and what it sent about them; `memory` keeps them."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bookwell.contracts.backoffice import BookingEvent
from bookwell.contracts.webhooks import WebhookBody

__all__ = ["Ledger", "Order", "Sent", "Taken"]

_REQUESTED = "requested"


class Taken(StrEnum):
    """What became of an event that came in."""

    NEW = "new"
    REPEATED = "repeated"
    OUTDATED = "outdated"
    """Something later was known already."""


@dataclass(slots=True)
class Sent:
    """A decision on its way: `status` and `code` of the last answer, 0 while there was none."""

    webhook_id: str
    decision: str
    version: int
    attempts: int = 0
    status: int = 0
    code: str = ""


@dataclass(slots=True)
class Order:
    """A booking as the last event told it."""

    event: BookingEvent
    type: str
    told_at: dt.datetime
    sent: list[Sent] = field(default_factory=list)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody should decide."""
        return self.event.state == _REQUESTED

    def shown(self) -> dict[str, Any]:
        """For scripts."""
        sent = [
            {"webhook_id": s.webhook_id, "decision": s.decision, "version": s.version}
            | {"attempts": s.attempts, "status": s.status, "code": s.code}
            for s in self.sent
        ]
        return self.event.model_dump(mode="json") | {"type": self.type, "sent": sent}


@dataclass(slots=True)
class Ledger:
    """Orders by the booking's id, and how many events came to what."""

    orders: dict[int, Order] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _known: set[str] = field(default_factory=set)

    def take(self, webhook_id: str, body: WebhookBody) -> Taken:
        """Keep an event, unless it came before or something later did.

        Raises:
            ValidationError: if it is about no booking.
        """
        event = BookingEvent.model_validate(body.data)
        taken = self._judge(webhook_id, event)
        self._known.add(webhook_id)
        self.counts[taken] += 1
        if taken is Taken.NEW:
            known = self.orders.get(event.booking_id)
            self.orders[event.booking_id] = Order(event, body.type, body.timestamp, known.sent if known else [])
        return taken

    def listed(self) -> list[Order]:
        """Those that wait first, then by their time."""
        return sorted(self.orders.values(), key=lambda order: (not order.is_waiting, order.event.starts_at))

    def _judge(self, webhook_id: str, event: BookingEvent) -> Taken:
        if webhook_id in self._known:
            return Taken.REPEATED
        known = self.orders.get(event.booking_id)
        is_late = known is not None and event.version <= known.event.version
        return Taken.OUTDATED if is_late else Taken.NEW

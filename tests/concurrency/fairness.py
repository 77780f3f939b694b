"""Whether a queue was served in order, told from the audit trail of its book.

Entries of one book are written under that book's lock, so their ids are the order of events.
"""

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Reservation

__all__ = ["assert_served_in_order", "promotions_of"]

_LEAVING = {"assigned", "borrowed", "cancelled", "expired"}


@dataclass(slots=True)
class _Queue:
    """Who waits, by place; readers who were ever blocked, or wanted it only until some day, may be passed over."""

    places: dict[int, int]
    excused: set[int]
    now: dt.datetime
    suspended: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)

    def happens(self, action: str, reservation_id: int, data: dict[str, Any]) -> None:
        change = action.removeprefix("reservation.")
        if change == "waiting" or (change == "placed" and data["state"] == "waiting"):
            self.waiting.add(reservation_id)
        elif change in ("suspended", "resumed"):
            until = data["suspended_until"]
            is_on = until is not None and dt.datetime.fromisoformat(until) > self.now
            (self.suspended.add if is_on else self.suspended.discard)(reservation_id)
        elif change == "assigned":
            self._is_served(reservation_id, data)
        if change in _LEAVING:
            self.waiting.discard(reservation_id)
            self.suspended.discard(reservation_id)

    def _is_served(self, reservation_id: int, data: dict[str, Any]) -> None:
        earlier = {other for other in self.waiting if self.places[other] < self.places[reservation_id]}
        overtaken = earlier - self.suspended - self.excused
        assert not overtaken, f"{reservation_id} was served before {overtaken}"
        assert data.get("passed_over", 0) == len(earlier), (reservation_id, data, earlier)


def assert_served_in_order(book_id: int, *, now: dt.datetime, excused: frozenset[int] = frozenset()) -> None:
    """Nobody was handed a copy while somebody earlier waited, not suspended; `excused` are readers, say blocked ones.

    `now` is when all of it happened.
    """
    rows = {row.pk: row for row in Reservation.objects.filter(book_id=book_id)}
    queue = _Queue(
        places={pk: row.queue_no for pk, row in rows.items()},
        excused={pk for pk, row in rows.items() if row.reader_id in excused or row.reserved_until is not None},
        now=now,
    )
    for entry in _entries(list(rows)):
        queue.happens(entry.action, entry.object_id, json.loads(entry.data))


def promotions_of(book_id: int) -> list[int]:
    """The reservations of a book in the order in which they were handed copies out of the queue."""
    ids = list(Reservation.objects.filter(book_id=book_id).values_list("pk", flat=True))
    return [entry.object_id for entry in _entries(ids) if entry.action == "reservation.assigned"]


def _entries(reservation_ids: list[int]) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(object_type="reservation", object_id__in=reservation_ids).order_by("pk"))

"""What time does to reservations, each step in a transaction of its own."""

import datetime as dt
from dataclasses import dataclass

from bookwell.kit.adapters.django.idempotency_store import forget_expired
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.circulation import services
from bookwell.library.circulation.rules import SYSTEM

__all__ = ["TickReport", "tick"]


@dataclass(frozen=True, slots=True)
class TickReport:
    """How much was due: reservations that expired, queues that went on, idempotency keys that were forgotten."""

    expired: int
    resumed: int
    keys_forgotten: int


def tick(*, now: dt.datetime) -> TickReport:
    """Do all that is due by `now`; safe to run twice and by two workers at once."""
    due = services.find_due_work(now=now)
    expired = sum(_expire(reservation_id, now) for reservation_id in due.reservation_ids)
    for book_id in due.book_ids:
        _resume(book_id, now)
    return TickReport(expired, len(due.book_ids), run_in_transaction(forget_expired))


def _expire(reservation_id: int, now: dt.datetime) -> bool:
    return run_in_transaction(lambda: services.expire_reservation(reservation_id=reservation_id, actor=SYSTEM, now=now))


def _resume(book_id: int, now: dt.datetime) -> None:
    run_in_transaction(lambda: services.resume_queue(book_id=book_id, now=now))

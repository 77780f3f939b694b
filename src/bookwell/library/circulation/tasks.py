"""What time does to reservations, each step in a transaction of its own."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bookwell.kit.adapters.django.idempotency_store import forget_expired
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.library.accounts.services import forget_dead_sessions
from bookwell.library.circulation import services
from bookwell.library.circulation.queries.deadlines import find_due_work
from bookwell.library.circulation.rules import SYSTEM
from bookwell.library.plumbing.services import forget_expired_cache_entries

__all__ = ["TickReport", "tick"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TickReport:
    """How much was due: reservations that expired, queues that went on, idempotency keys that were forgotten."""

    expired: int
    resumed: int
    keys_forgotten: int


def tick(*, now: dt.datetime) -> TickReport:
    """Do all that is due by `now`; safe to run twice and by two workers at once."""
    due = find_due_work(now=now)
    expired = sum(_expire(reservation_id, now) for reservation_id in due.reservation_ids)
    resumed = sum(_resume(book_id, now) for book_id in due.book_ids)
    run_in_transaction(lambda: forget_dead_sessions(now=now))
    run_in_transaction(lambda: forget_expired_cache_entries(now=now))
    return TickReport(expired, resumed, run_in_transaction(forget_expired))


def _expire(reservation_id: int, now: dt.datetime) -> bool:
    return _try(
        lambda: services.expire_reservation(reservation_id=reservation_id, actor=SYSTEM, now=now),
        "reservation.not_expired",
        reservation_id=reservation_id,
    )


def _resume(book_id: int, now: dt.datetime) -> bool:
    def work() -> bool:
        services.resume_queue(book_id=book_id, now=now)
        return True

    return _try(work, "queue.not_resumed", book_id=book_id)


def _try(work: Callable[[], bool], failure: str, **what: int) -> bool:
    """One item's refusal must not keep the others waiting; the next tick tries it again."""
    try:
        return run_in_transaction(work)
    except DomainError as refusal:
        _log.warning(failure, code=refusal.code, **what)
        return False

"""The tables service's background work: what the jobs of the schedule do. No message is addressed to it."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType

import structlog
from sqlalchemy import Connection

from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.kit.adapters.sqlalchemy.outbox_forgetting import forget_told_in_tx
from bookwell.kit.jobs import each_due, repeated, tried
from bookwell.kit.messaging import Consumer
from bookwell.tables.accounts.services.sessions import forget_dead_sessions
from bookwell.tables.backoffice.services.receiving import RECEIVED
from bookwell.tables.bookings.services.deadlines import (
    escalate_order,
    expire_order,
    list_escalatable,
    list_expirable,
)
from bookwell.tables.bookings.services.forgetting import forget_expired_tokens, forget_guest, list_forgettable
from bookwell.tables.bookings.services.publishing import forget_events
from bookwell.tables.bookings.services.reminding import list_remindable, remind_guest
from bookwell.tables.bookings.services.unsubscribing import forget_expired_links
from bookwell.tables.db import Database
from bookwell.tables.schema import idempotency_key
from bookwell.tables.settings import TablesSettings

__all__ = ["CONSUMERS", "JOBS", "Housekeeping"]

_CONNECTIONS = 2

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """What time does to bookings, each in a transaction of its own, decided again under its lock.

    Every method answers how much it did; it may run twice, and at two places at once.
    """

    database: Database
    public_url: str
    keep_messages: dt.timedelta
    idempotency: IdempotencyStore

    def expire(self, *, now: dt.datetime) -> int:
        """End the orders that nobody decided in time."""
        each = partial(expire_order, public_url=self.public_url, now=now)
        return self._each(partial(list_expirable, now=now), each, "order.not_expired")

    def escalate(self, *, now: dt.datetime) -> int:
        """Remind staff of orders half-way to their deadline."""
        return self._each(partial(list_escalatable, now=now), partial(escalate_order, now=now), "order.not_escalated")

    def remind(self, *, now: dt.datetime) -> int:
        """Remind guests the day before."""
        each = partial(remind_guest, public_url=self.public_url, now=now)
        return self._each(partial(list_remindable, now=now), each, "guest.not_reminded")

    def forget(self, *, now: dt.datetime) -> int:
        """Clear guests' data, and delete what was kept for a time that is over."""
        steps: tuple[Callable[[Connection], int], ...] = (
            partial(forget_expired_tokens, now=now),
            partial(forget_expired_links, now=now),
            partial(forget_dead_sessions, now=now),
            partial(self.idempotency.forget_expired_in_tx, now=now),
            partial(RECEIVED.forget_expired_in_tx, now=now),
            partial(forget_told_in_tx, now=now, keep=self.keep_messages),
            partial(forget_events, before=now - self.keep_messages),
        )
        guests = self._each(partial(list_forgettable, now=now), partial(forget_guest, now=now), "guest.not_forgotten")
        return guests + repeated(*(partial(self.database.write, step) for step in steps))

    def _each(self, find: Callable[..., list[int]], work: Callable[..., bool], failure: str) -> int:
        return sum(
            tried(partial(self.database.write, partial(work, booking_id=booking_id)), failure, booking_id=booking_id)
            for booking_id in each_due(partial(self._find, find))
        )

    def _find(self, find: Callable[..., list[int]], *, limit: int) -> list[int]:
        return self.database.read(partial(find, limit=limit))


@cache
def _housekeeping() -> Housekeeping:
    """Made at the first use, which in a worker is after its fork."""
    settings = TablesSettings.load()
    clock.set_offset(settings.clock_offset)
    return Housekeeping(
        database=Database.of_url(
            settings.database_url, connections=_CONNECTIONS, backoffice=settings.tables_backoffice
        ),
        public_url=settings.public_url,
        keep_messages=dt.timedelta(days=settings.outbox_days),
        idempotency=IdempotencyStore(idempotency_key, lifetime=dt.timedelta(hours=settings.idempotency_hours)),
    )


def _job(name: str, work: Callable[..., int]) -> Callable[[], None]:
    def run() -> None:
        number = work(_housekeeping(), now=clock.now())
        if number:
            _log.info("job.done", job=name, number=number)

    return run


_WORK: Mapping[str, Callable[..., int]] = {
    "tables.expire": Housekeeping.expire,
    "tables.escalate": Housekeeping.escalate,
    "tables.remind": Housekeeping.remind,
    "tables.forget": Housekeeping.forget,
}

JOBS: Mapping[str, Callable[[], None]] = MappingProxyType({name: _job(name, work) for name, work in _WORK.items()})
"""By their names in the schedule."""

CONSUMERS: Mapping[str, Consumer] = MappingProxyType({})

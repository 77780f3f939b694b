"""The library's background work: what the jobs of the schedule do, and which messages it takes."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import structlog
from django.conf import settings
from django.db import Error, close_old_connections, connection

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.adapters.django.idempotency_store import forget_expired
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.jobs import repeated
from bookwell.kit.messaging import Consumer
from bookwell.library.accounts.services import forget_dead_sessions
from bookwell.library.circulation.partner_tasks import poll_due, refresh_due, run_errands
from bookwell.library.circulation.tasks import expire_due, move_deadlines, remind_due, resume_due
from bookwell.library.plumbing.services import forget_expired_cache_entries, forget_log_records, forget_told_messages

__all__ = ["CONSUMERS", "JOBS", "forget"]

_log = structlog.get_logger()


def forget() -> int:
    """Delete what was kept for a time that is over, in small transactions: the number of rows."""
    now, keep = clock.now(), settings.OUTBOX_RETENTION
    steps: tuple[Callable[[], int], ...] = (
        forget_expired,
        lambda: forget_dead_sessions(now=now),
        lambda: forget_expired_cache_entries(now=now),
        lambda: forget_told_messages(now=now, keep=keep),
    )
    return repeated(partial(_forget_log_records, now), *(partial(run_in_transaction, step) for step in steps))


def _forget_log_records(now: dt.datetime) -> int:
    """Outside of the library's transactions: the records may be elsewhere, and what is there may be down."""
    try:
        return forget_log_records(now=now, keep=settings.LOG_RETENTION)
    except Error as error:
        _log.warning("logs.not_forgotten", error=type(error).__name__)
        return 0


def _job(name: str, work: Callable[[], int]) -> Callable[[], None]:
    """The work as the scheduler's; a connection that was lost since the last run does not cost this one."""

    def run() -> None:
        if not connection.in_atomic_block:
            close_old_connections()
        number = work()
        if number:
            _log.info("job.done", job=name, number=number)

    return run


_WORK: Mapping[str, Callable[[], int]] = {
    "library.expire": lambda: expire_due(now=clock.now()),
    "library.move_deadlines": lambda: move_deadlines(now=clock.now()),
    "library.resume": lambda: resume_due(now=clock.now()),
    "library.remind": lambda: remind_due(now=clock.now()),
    "library.poll_partners": lambda: poll_due(now=clock.now()),
    "library.refresh_partners": lambda: refresh_due(now=clock.now()),
    "library.forget": forget,
}

JOBS: Mapping[str, Callable[[], None]] = MappingProxyType({name: _job(name, work) for name, work in _WORK.items()})
"""By their names in the schedule; each does what is due, and may run twice and at two places at once."""


def _run_errands(envelopes: Sequence[Envelope]) -> None:
    if not connection.in_atomic_block:
        close_old_connections()
    run_errands(envelopes)


CONSUMERS: Mapping[str, Consumer] = MappingProxyType({"library": Consumer(_run_errands, is_one_by_one=True)})
"""By queue: what the library has its own workers do elsewhere."""

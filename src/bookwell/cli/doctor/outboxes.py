"""What waits in a service's outbox for too long, and what died there."""

import datetime as dt
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, inspect, text

from bookwell.cli.doctor.findings import Finding, failed, warning
from bookwell.kit import clock
from bookwell.kit.outbox.rules import milliseconds

__all__ = ["look_at_outbox"]

_OVERDUE = dt.timedelta(minutes=5)
_MANY_ATTEMPTS = 6  # about a quarter of an hour without a receipt

_DEAD = text("SELECT COUNT(*) FROM outbox WHERE done_at IS NOT NULL AND error <> ''")
_DUE = text("SELECT COUNT(*) FROM outbox WHERE done_at IS NULL AND next_attempt_at < :limit")
_SILENT = text(
    "SELECT queue, COUNT(*) FROM outbox WHERE done_at IS NULL AND attempts >= :many GROUP BY queue ORDER BY queue"
)


def look_at_outbox(check: str, connection: Connection) -> Sequence[Finding]:
    """What is wrong there; nothing where there is no outbox yet."""
    return list(_look(check, connection)) if inspect(connection).has_table("outbox") else []


def _look(check: str, connection: Connection) -> Iterator[Finding]:
    if dead := connection.execute(_DEAD).scalar():
        advice = "bookwell outbox list --state dead; after a repair: bookwell outbox retry"
        yield warning(check, f"{dead} messages died: nobody could handle them", advice)
    if due := connection.execute(_DUE, {"limit": milliseconds(clock.now() - _OVERDUE)}).scalar():
        advice = "is bookwell relay running, with this database in its settings?"
        yield failed(check, f"{due} messages have been due for more than five minutes", advice)
    for queue, count in connection.execute(_SILENT, {"many": _MANY_ATTEMPTS}).all():
        advice = f"is bookwell worker {queue} running, and does it log errors?"
        yield failed(check, f"{count} messages of the queue {queue} get no receipt", advice)

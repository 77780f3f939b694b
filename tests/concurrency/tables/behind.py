"""Something that begins when a change has been made, and is not committed yet."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from bookwell.tables.db import Database
from tests.concurrency.racing import Outcome, race
from tests.e2e.embedded import wait_until

__all__ = ["outcome_behind"]

T = TypeVar("T")

_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def outcome_behind(database: Database, change: Callable[[Connection], Any], follow: Callable[[], T]) -> Outcome[T]:
    """What comes of a work that begins before the COMMIT of a change, which comes when that work waits or is over.

    On SQLite whoever writes waits before the transaction. The database must be the test's own.
    """
    has_changed, is_over = threading.Event(), threading.Event()

    def changing(connection: Connection) -> T | None:
        change(connection)
        has_changed.set()
        if connection.dialect.name == "postgresql":
            wait_until(lambda: is_over.is_set() or _somebody_waits(database))
        return None

    def following() -> T | None:
        assert has_changed.wait(60)
        try:
            return follow()
        finally:
            is_over.set()

    changed, outcome = race([lambda: database.write(changing), following], by_django=False)
    assert changed.refusal is None
    return outcome  # type: ignore[return-value]  # a change answers nothing, and what follows T


def _somebody_waits(database: Database) -> bool:
    """Whether a lock is waited for."""
    return bool(database.read(lambda connection: connection.scalar(_WAITING)))

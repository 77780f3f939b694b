"""What a database's error means for whoever runs a transaction: again, later, or not at all; whatever the library.

Codes are MySQL's error numbers (MariaDB's are the same), PostgreSQL's SQLSTATE and SQLite's primary result codes.
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import structlog

from bookwell.kit.errors import Unavailable
from bookwell.kit.idempotency import TryAgain

__all__ = [
    "ATTEMPTS",
    "ATTEMPTS_TO_LOCK",
    "MYSQL",
    "SQLITE",
    "DatabaseUnavailable",
    "Failure",
    "Runs",
    "failure_of_state",
]

ATTEMPTS = 8
ATTEMPTS_TO_LOCK = 2
_DEADLINE_SECONDS = 10
"""No run begins later than this after the first one did."""
_BACKOFF_SECONDS = 0.01

_log = structlog.get_logger()


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached, or the connection to it was lost."""

    code = "database.unavailable"
    title = "The database cannot be reached"


class Failure(StrEnum):
    """What kind of failure an error tells of."""

    GIVEN_UP = "given_up"
    """A deadlock, or a row that another transaction changed first: the same transaction may succeed at once."""
    WAITED = "waited"
    """A lock did not come free within the configured time."""
    UNREACHABLE = "unreachable"
    """There is no connection, or there is none any more."""
    BROKEN = "broken"
    """Anything else: a missing column, a wrong statement. Running it again does not help."""


MYSQL: Mapping[int, Failure] = MappingProxyType(
    dict.fromkeys((1020, 1213), Failure.GIVEN_UP)
    | {1205: Failure.WAITED}
    # 0 is PyMySQL's word for a connection that was closed before; 2002 and 2003 not answering.
    | dict.fromkeys((0, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 3169, 4031), Failure.UNREACHABLE)
    # No room, for anybody or for this user; being maintained; one that another server has taken the place of, which
    # only reads: a new connection may find that one.
    | dict.fromkeys((1040, 1203, 1226, 3032, 3168, 1290, 1836), Failure.UNREACHABLE)
)
SQLITE: Mapping[int, Failure] = MappingProxyType(
    {
        sqlite3.SQLITE_BUSY: Failure.WAITED,
        sqlite3.SQLITE_LOCKED: Failure.WAITED,
        sqlite3.SQLITE_CANTOPEN: Failure.UNREACHABLE,
    }
)
# 26000 is a prepared statement that somebody had the server forget: it is prepared again.
_POSTGRESQL = dict.fromkeys(("26000", "40001", "40P01"), Failure.GIVEN_UP) | {"55P03": Failure.WAITED}


def failure_of_state(state: str) -> Failure:
    """The kind of failure by PostgreSQL's SQLSTATE."""
    if state.startswith(("08", "57P0")):
        return Failure.UNREACHABLE
    return _POSTGRESQL.get(state, Failure.BROKEN)


class Runs:
    """The runs of one transaction that failed, from its first one on."""

    def __init__(self) -> None:
        self._failures: Counter[Failure] = Counter()
        self._deadline = time.monotonic() + _DEADLINE_SECONDS

    def give_up_or_pause(self, error: Exception, failure: Failure, *, code: Any) -> None:
        """Pause before the next run, or raise what the failures come to; `code` is the database's, for the log.

        Raises:
            TryAgain: after `ATTEMPTS` runs, or `ATTEMPTS_TO_LOCK` that waited for a lock in vain, or 10 seconds.
            DatabaseUnavailable: when there is no connection, or it was lost.
            Exception: the error itself, when another run does not help.
        """
        self._failures[failure] += 1
        runs = self._failures.total()
        if failure is Failure.BROKEN:
            raise error
        if failure is Failure.UNREACHABLE:
            _log.error("database.connection_lost", code=code)
            raise DatabaseUnavailable from error
        pause = random.uniform(0, _BACKOFF_SECONDS * 2**runs)  # noqa: S311 -- jitter, no secret
        is_last = runs >= ATTEMPTS or self._failures[Failure.WAITED] >= ATTEMPTS_TO_LOCK
        if is_last or time.monotonic() + pause > self._deadline:
            _log.warning("transaction.abandoned", code=code, runs=runs)
            raise TryAgain from error
        time.sleep(pause)

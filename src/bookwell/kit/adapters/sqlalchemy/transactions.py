"""The transaction runner of services on SQLAlchemy: opens, commits, and runs again what the database gave up.

A use case gets the connection and runs whole, a bounded number of times and for a bounded time; after a lock time-out
once more. It must touch nothing but the database.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from bookwell.kit.adapters.sqlalchemy.constraints import domain_error_of
from bookwell.kit.adapters.sqlalchemy.engines import writing
from bookwell.kit.adapters.sqlalchemy.failures import DatabaseLost, Failure, code_of, failure_of
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import TryAgain

__all__ = ["ATTEMPTS", "ATTEMPTS_TO_LOCK", "run_in_transaction"]

T = TypeVar("T")

ATTEMPTS = 8
ATTEMPTS_TO_LOCK = 2
_DEADLINE_SECONDS = 10
"""No run begins later than this after the first one did."""
_BACKOFF_SECONDS = 0.01

_log = structlog.get_logger()


def run_in_transaction(
    engine: Engine, work: Callable[[Connection], T], *, constraints: Mapping[str, type[DomainError]]
) -> T:
    """Run `work` in one write transaction, again when the database gave it up.

    Raises:
        DomainError: what the work refuses, or what a violated constraint stands for; nothing was written.
        TryAgain: after `ATTEMPTS` runs, or `ATTEMPTS_TO_LOCK` that waited for a lock in vain, or 10 seconds.
        DatabaseLost: when there is no connection, or it was lost.
        DBAPIError: every other failure of the database.
    """
    failures, deadline = Counter[Failure](), time.monotonic() + _DEADLINE_SECONDS
    while True:
        try:
            with writing(engine) as connection:
                return work(connection)
        except IntegrityError as error:
            raise domain_error_of(error, constraints) from error
        except DBAPIError as error:
            failures[failure_of(error)] += 1
            _give_up_or_pause(error, failures, deadline)


def _give_up_or_pause(error: DBAPIError, failures: Counter[Failure], deadline: float) -> None:
    """Pause before the next run, or raise what the failures come to."""
    failure, runs = failure_of(error), failures.total()
    if failure is Failure.BROKEN:
        raise error
    if failure is Failure.UNREACHABLE:
        _log.error("database.connection_lost", code=code_of(error))
        raise DatabaseLost from error
    pause = random.uniform(0, _BACKOFF_SECONDS * 2**runs)  # noqa: S311 -- jitter, no secret
    is_last = runs >= ATTEMPTS or failures[Failure.WAITED] >= ATTEMPTS_TO_LOCK
    if is_last or time.monotonic() + pause > deadline:
        _log.warning("transaction.abandoned", code=code_of(error), runs=runs)
        raise TryAgain from error
    time.sleep(pause)

"""The transaction runner of services on SQLAlchemy: opens, commits, and runs again what the database gave up.

A use case gets the connection and runs whole, a bounded number of times and for a bounded time; after a lock time-out
once more. It must touch nothing but the database.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from bookwell.kit.adapters.sqlalchemy.constraints import domain_error_of
from bookwell.kit.adapters.sqlalchemy.engines import writing
from bookwell.kit.adapters.sqlalchemy.failures import code_of, failure_of
from bookwell.kit.errors import DomainError
from bookwell.kit.failures import Runs

__all__ = ["run_in_transaction"]

T = TypeVar("T")


def run_in_transaction(
    engine: Engine, work: Callable[[Connection], T], *, constraints: Mapping[str, type[DomainError]]
) -> T:
    """Run `work` in one write transaction, again when the database gave it up.

    Raises:
        DomainError: what the work refuses, or what a violated constraint stands for; nothing was written.
        TryAgain, DatabaseUnavailable, DBAPIError: as `Runs.give_up_or_pause`.
    """
    runs = Runs()
    while True:
        try:
            with writing(engine) as connection:
                return work(connection)
        except IntegrityError as error:
            raise domain_error_of(error, constraints) from error
        except DBAPIError as error:
            runs.give_up_or_pause(error, failure_of(error), code=code_of(error))

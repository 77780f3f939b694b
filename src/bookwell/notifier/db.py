"""The notifier's database: short transactions, done again when the database gave one up for another."""

import datetime as dt
import random
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from bookwell.kit.adapters.sqlalchemy.engines import engine_of, reading, writing

__all__ = ["Database", "instant_of", "milliseconds"]

T = TypeVar("T")

_ATTEMPTS = 8
_PAUSE_SECONDS = 0.01
# Server threads and senders; more would wait for one another anyway.
_CONNECTIONS = 4


class Database:
    """Runs work in transactions; the work gets the connection and may run more than once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def of_url(cls, url: str) -> "Database":
        """The database of a URL; nothing is connected yet."""
        return cls(engine_of(url, connections=_CONNECTIONS))

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads."""
        with reading(self.engine) as connection:
            return work(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction.

        A deadlock, a lock that took too long and a row that somebody else inserted first are tried again: the work
        reads before it writes, and sees then what the other one did.
        """
        for run in range(_ATTEMPTS - 1):
            try:
                return self._write_once(work)
            except IntegrityError:
                pass
            except OperationalError as error:
                if error.connection_invalidated:
                    raise
            time.sleep(random.uniform(0, _PAUSE_SECONDS * 2**run))  # noqa: S311 -- jitter, no secret
        return self._write_once(work)

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with writing(self.engine) as connection:
            return work(connection)


def milliseconds(instant: dt.datetime) -> int:
    """As the tables have it."""
    return int(instant.timestamp() * 1000)


def instant_of(value: int) -> dt.datetime:
    """As the code has it."""
    return dt.datetime.fromtimestamp(value / 1000, tz=dt.UTC)

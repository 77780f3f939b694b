"""The tables service's database: one runner for writes, plain connections for reads.

Synchronous on purpose (ADR 0018): endpoints run in the server's threads.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

from bookwell.kit.adapters.sqlalchemy.engines import engine_of, reading
from bookwell.kit.adapters.sqlalchemy.transactions import run_in_transaction
from bookwell.tables.bookings.constraints import CONSTRAINTS
from bookwell.tables.bookings.services.publishing import CALLED

__all__ = ["Database"]

T = TypeVar("T")

_CONNECTIONS = 8
_KINDS = frozenset({"sqlite", "postgresql"})


class Database:
    """Runs use cases in transactions; the work gets the connection and may run more than once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def of_url(cls, url: str, *, connections: int = _CONNECTIONS, backoffice: str = "") -> "Database":
        """The database of a URL; nothing is connected yet. `backoffice` names the endpoint told of every booking.

        Raises:
            SystemExit: for a database that cannot keep bookings from overlapping by itself.
        """
        engine = engine_of(url, connections=connections)
        if engine.dialect.name not in _KINDS:
            raise SystemExit("BOOKWELL_TABLES_DATABASE_URL: tables need PostgreSQL or SQLite")
        engine.update_execution_options(**{CALLED: backoffice})
        return cls(engine)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads."""
        with reading(self.engine) as connection:
            return work(connection)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction (see `run_in_transaction` for what it raises)."""
        return run_in_transaction(self.engine, work, constraints=CONSTRAINTS)

"""What a database's error means for whoever runs a transaction through SQLAlchemy: again, later, or not at all.

Codes are PostgreSQL's SQLSTATE, SQLite's primary result codes and MySQL's error numbers.
"""

import sqlite3
from enum import StrEnum
from typing import Any

from sqlalchemy.exc import DBAPIError

from bookwell.kit.errors import Unavailable
from bookwell.kit.idempotency import TryAgain

__all__ = ["DatabaseLost", "Failure", "code_of", "failure_of", "refusal_of"]


class DatabaseLost(Unavailable):
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
    """Anything else: running it again does not help."""


_BY_CODE: dict[Any, Failure] = {
    "40001": Failure.GIVEN_UP,
    "40P01": Failure.GIVEN_UP,
    "55P03": Failure.WAITED,
    ("sqlite", sqlite3.SQLITE_BUSY): Failure.WAITED,
    ("sqlite", sqlite3.SQLITE_LOCKED): Failure.WAITED,
    ("sqlite", sqlite3.SQLITE_CANTOPEN): Failure.UNREACHABLE,
    1020: Failure.GIVEN_UP,
    1213: Failure.GIVEN_UP,
    1205: Failure.WAITED,
}


def failure_of(error: DBAPIError) -> Failure:
    """The kind of failure, by the code that the database gave, never by its words."""
    if error.connection_invalidated:
        return Failure.UNREACHABLE
    code = code_of(error)
    if isinstance(code, str) and code.startswith(("08", "57P0")):
        return Failure.UNREACHABLE
    if code is None and type(error.orig).__name__ == "OperationalError":
        return Failure.UNREACHABLE  # what no server said, the driver did: it never found one
    return _BY_CODE.get(code, Failure.BROKEN)


def refusal_of(error: DBAPIError) -> Unavailable | None:
    """What a caller is told whose read met the error; None when it is a fault of ours."""
    failure = failure_of(error)
    if failure is Failure.BROKEN:
        return None
    return DatabaseLost() if failure is Failure.UNREACHABLE else TryAgain()


def code_of(error: DBAPIError) -> Any:
    """The database's code of an error; None where the driver gave none."""
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state
    extended = getattr(error.orig, "sqlite_errorcode", None)
    if extended is not None:
        return ("sqlite", extended & 0xFF)  # the rest of an extended code is detail
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None

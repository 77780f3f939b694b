"""What the databases' errors mean for whoever runs a transaction: again, later, or not at all.

Codes are MySQL's error numbers (MariaDB's are the same), PostgreSQL's SQLSTATE and SQLite's primary result codes.
"""

import sqlite3
from enum import StrEnum
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from bookwell.kit.errors import Unavailable

__all__ = ["DatabaseUnavailable", "Failure", "code_of", "failure_of"]


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


_MYSQL = (
    dict.fromkeys((1020, 1213), Failure.GIVEN_UP)
    | {1205: Failure.WAITED}
    # 0 is PyMySQL's word for a connection that was closed before; 1040 no room, 2002 and 2003 not answering.
    | dict.fromkeys((0, 1040, 1053, 1927, 2002, 2003, 2006, 2013, 2055, 4031), Failure.UNREACHABLE)
)
_POSTGRESQL = {"40001": Failure.GIVEN_UP, "40P01": Failure.GIVEN_UP, "55P03": Failure.WAITED}
_SQLITE = {
    sqlite3.SQLITE_BUSY: Failure.WAITED,
    sqlite3.SQLITE_LOCKED: Failure.WAITED,
    sqlite3.SQLITE_CANTOPEN: Failure.UNREACHABLE,
}


def failure_of(error: OperationalError | InterfaceError) -> Failure:
    """The kind of failure, by the code that the database gave, never by its words."""
    code = code_of(error)
    if connection.vendor == "mysql":
        return _MYSQL.get(code, Failure.BROKEN)
    if connection.vendor == "postgresql":
        return _failure_of_state(error, code)
    return _SQLITE.get(code, Failure.BROKEN)


def code_of(error: OperationalError | InterfaceError) -> Any:
    """The database's code of an error; None where the driver gave none."""
    if connection.vendor == "mysql":
        return error.args[0] if error.args else None
    if connection.vendor == "postgresql":
        return getattr(error.__cause__, "sqlstate", None)
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # the rest of an extended code is detail


def _failure_of_state(error: Exception, state: str | None) -> Failure:
    if state is None:
        # What the server did not say, libpq did: it lost the server or never found it. Whether the connection is
        # closed cannot be asked any more, because Django opens a new one at the end of its atomic block.
        return Failure.UNREACHABLE if isinstance(error, OperationalError) else Failure.BROKEN
    if state.startswith(("08", "57P0")):
        return Failure.UNREACHABLE
    return _POSTGRESQL.get(state, Failure.BROKEN)

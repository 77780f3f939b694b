"""Which kind of failure an error of Django's database layer tells of, by the code that the database gave."""

from typing import Any

from django.db import InterfaceError, OperationalError, connection

from bookwell.kit.failures import MYSQL, SQLITE, Failure, failure_of_state

__all__ = ["code_of", "failure_of"]


def failure_of(error: OperationalError | InterfaceError) -> Failure:
    """The kind of failure, never by the error's words."""
    code = code_of(error)
    if connection.vendor != "postgresql":
        return (MYSQL if connection.vendor == "mysql" else SQLITE).get(code, Failure.BROKEN)
    if code is not None:
        return failure_of_state(code)
    # What the server did not say, libpq did: it lost the server or never found it. Whether the connection is closed
    # cannot be asked any more, because Django opens a new one at the end of its atomic block.
    return Failure.UNREACHABLE if isinstance(error, OperationalError) else Failure.BROKEN


def code_of(error: OperationalError | InterfaceError) -> Any:
    """The database's code of an error; None where the driver gave none."""
    if connection.vendor == "mysql":
        return error.args[0] if error.args else None
    if connection.vendor == "postgresql":
        return getattr(error.__cause__, "sqlstate", None)
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # the rest of an extended code is detail

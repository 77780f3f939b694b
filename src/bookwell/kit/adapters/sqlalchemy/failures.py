"""Which kind of failure an error of SQLAlchemy tells of, by the code that the database gave."""

from typing import Any

from sqlalchemy.exc import DBAPIError

from bookwell.kit.errors import Unavailable
from bookwell.kit.failures import MYSQL, SQLITE, DatabaseUnavailable, Failure, failure_of_state
from bookwell.kit.idempotency import TryAgain

__all__ = ["code_of", "failure_of", "refusal_of"]


def failure_of(error: DBAPIError) -> Failure:
    """The kind of failure, never by the error's words."""
    code = code_of(error)
    if error.connection_invalidated:
        return Failure.UNREACHABLE
    if code is None:  # what no server said, the driver did: it never found one
        return Failure.UNREACHABLE if type(error.orig).__name__ == "OperationalError" else Failure.BROKEN
    if isinstance(code, str):
        return failure_of_state(code)
    return (SQLITE if _is_sqlite(error) else MYSQL).get(code, Failure.BROKEN)


def refusal_of(error: DBAPIError) -> Unavailable | None:
    """What a caller is told whose read met the error; None when it is a fault of ours."""
    failure = failure_of(error)
    if failure is Failure.BROKEN:
        return None
    return DatabaseUnavailable() if failure is Failure.UNREACHABLE else TryAgain()


def code_of(error: DBAPIError) -> Any:
    """The database's code of an error; None where the driver gave none."""
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state
    if _is_sqlite(error):
        return error.orig.sqlite_errorcode & 0xFF  # type: ignore[union-attr]  # the rest of an extended code is detail
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _is_sqlite(error: DBAPIError) -> bool:
    return hasattr(error.orig, "sqlite_errorcode")

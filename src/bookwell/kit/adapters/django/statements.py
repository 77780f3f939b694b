"""Hand-written statements on the hot path: the database's cursor with what Django guarantees, without its layers.

An error arrives as Django's, a lost connection comes back, a transaction that broke takes no more statements, and who
counts statements sees each of these. Several statements take one round trip where the database's back end can do that
(MySQL, MariaDB), and one each elsewhere; they see and do the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections

__all__ = [
    "EarlierStatementFailed",
    "Rows",
    "Statement",
    "execute",
    "execute_last",
    "execute_later",
    "execute_together",
    "fetch_all",
    "fetch_one",
    "insert_row",
]

Rows = Sequence[tuple[Any, ...]]


class EarlierStatementFailed(IntegrityError):
    """A statement of `execute_later` broke a constraint, which came out when another one was sent."""


@dataclass(slots=True)
class Statement:
    """A statement with its parameters, to be sent with others."""

    text: str
    parameters: Sequence[Any] = ()


@dataclass(slots=True)
class _Result:
    """What a statement answered."""

    rows: Rows
    insert_id: int


def fetch_all(statement: str, parameters: Sequence[Any] = ()) -> Rows:
    """Every row of a SELECT."""
    return execute_together(Statement(statement, parameters))[0]


def fetch_one(statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of a SELECT, or None."""
    rows = fetch_all(statement, parameters)
    return rows[0] if rows else None


def execute(statement: str, parameters: Sequence[Any] = ()) -> None:
    """A statement that answers no rows."""
    _run(Statement(statement, parameters))


def insert_row(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Insert one row into a table whose key is `id`; the new id."""
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        return int(fetch_all(statement + " RETURNING id", parameters)[0][0])
    return int(_run(Statement(statement, parameters))[0].insert_id)


def execute_together(*statements: Statement) -> Sequence[Rows]:
    """Run statements in turn, each with a snapshot of its own, up to the first that fails; the rows of each.

    None of them may contain a semicolon, nor answer rows if it writes.
    """
    return [result.rows or () for result in _run(*statements)]


def execute_later(*statements: Statement) -> None:
    """Run statements that answer no rows before the next one of this transaction is run, or its COMMIT.

    They see and do what they would at once. Where they wait, an error of theirs comes out later: an
    `EarlierStatementFailed` where it would have been an IntegrityError.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    if not database.in_atomic_block or not _is_in_one_trip(database):
        _run(*statements)
        return
    _make_usable(database)
    for statement in statements:
        database.let_wait(statement.text, statement.parameters)


def execute_last(statement: str, parameters: Sequence[Any] = ()) -> None:
    """The last statement of a transaction, which takes the COMMIT along where the back end can do that."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    is_outermost = database.in_atomic_block and not database.savepoint_ids
    if not is_outermost or not _is_in_one_trip(database):
        execute(statement, parameters)
        return
    _make_usable(database)
    database.run_and_commit(statement, parameters)


def _run(*statements: Statement) -> Sequence[_Result]:
    database: Any = connections[DEFAULT_DB_ALIAS]
    if not _is_in_one_trip(database):
        return [_run_alone(database, statement) for statement in statements]
    _make_usable(database)
    parameters = [parameter for statement in statements for parameter in statement.parameters]
    results: Sequence[_Result] = database.run([statement.text for statement in statements], parameters)
    return results


def _run_alone(database: Any, statement: Statement) -> _Result:
    if _is_watched(database):
        with database.cursor() as watched:
            return _run_with(watched, statement)
    _make_usable(database)
    with database.wrap_database_errors:
        cursor = database.create_cursor()
        result = _run_with(cursor, statement)
        cursor.close()
        return result


def _run_with(cursor: Any, statement: Statement) -> _Result:
    cursor.execute(statement.text, statement.parameters)
    if cursor.description:
        return _Result(cursor.fetchall(), 0)
    return _Result((), getattr(cursor, "lastrowid", 0))


def _is_in_one_trip(database: Any) -> bool:
    return database.vendor == "mysql" and not _is_watched(database)


def _is_watched(database: Any) -> bool:
    """Whether somebody counts, times or forbids statements."""
    return bool(database.queries_logged or database.execute_wrappers)


def _make_usable(database: Any) -> None:
    database.close_if_health_check_failed()
    if database.connection is None:
        database.ensure_connection()
    database.validate_no_broken_transaction()

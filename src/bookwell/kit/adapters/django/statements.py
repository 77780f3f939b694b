"""Hand-written statements on the hot path: the database's cursor with what Django guarantees, without its layers.

An error arrives as Django's, a lost connection comes back, a transaction that broke takes no more statements, and who
counts statements sees each of these. Several statements take one round trip where the database's back end can do that
(MySQL, MariaDB), and one each elsewhere; they see and do the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

__all__ = ["Rows", "Statement", "execute", "execute_last", "execute_together", "fetch_all", "fetch_one", "insert_row"]

T = TypeVar("T")
Rows = Sequence[tuple[Any, ...]]


@dataclass(slots=True)
class Statement:
    """A statement with its parameters, to be sent with others."""

    text: str
    parameters: Sequence[Any] = ()


def fetch_all(statement: str, parameters: Sequence[Any] = ()) -> Rows:
    """Every row of a SELECT."""
    return _run(statement, parameters, _all_rows)


def fetch_one(statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of a SELECT, or None."""
    return _run(statement, parameters, _first_row)


def execute(statement: str, parameters: Sequence[Any] = ()) -> None:
    """A statement that answers no rows."""
    _run(statement, parameters, _nothing)


def insert_row(statement: str, parameters: Sequence[Any] = ()) -> int:
    """Insert one row into a table whose key is `id`; the new id."""
    if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
        return int(_run(statement + " RETURNING id", parameters, _all_rows)[0][0])
    return _run(statement, parameters, _last_id)


def execute_together(*statements: Statement) -> Sequence[Rows]:
    """Run statements in turn, each with a snapshot of its own, up to the first that fails; the rows of each.

    None of them may contain a semicolon, nor answer rows if it writes.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "mysql" or _is_watched(database):
        return [_run(statement.text, statement.parameters, _rows_if_any) for statement in statements]
    _make_usable(database)
    parameters = [parameter for statement in statements for parameter in statement.parameters]
    rows: Sequence[Rows] = database.execute_together([statement.text for statement in statements], parameters)
    return rows


def execute_last(statement: str, parameters: Sequence[Any] = ()) -> None:
    """The last statement of a transaction, which takes the COMMIT along where the back end can do that."""
    database: Any = connections[DEFAULT_DB_ALIAS]
    is_outermost = database.in_atomic_block and not database.savepoint_ids
    if database.vendor != "mysql" or not is_outermost or _is_watched(database):
        execute(statement, parameters)
        return
    _make_usable(database)
    database.execute_and_commit(statement, parameters)


def _run(statement: str, parameters: Sequence[Any], take: Callable[[Any], T]) -> T:
    database: Any = connections[DEFAULT_DB_ALIAS]
    if _is_watched(database):
        with database.cursor() as watched:
            watched.execute(statement, parameters)
            return take(watched)
    _make_usable(database)
    with database.wrap_database_errors:
        cursor = database.create_cursor()
        cursor.execute(statement, parameters)
        answer = take(cursor)
        cursor.close()
        return answer


def _is_watched(database: Any) -> bool:
    """Whether somebody counts, times or forbids statements."""
    return bool(database.queries_logged or database.execute_wrappers)


def _make_usable(database: Any) -> None:
    database.close_if_health_check_failed()
    database.ensure_connection()
    database.validate_no_broken_transaction()


def _all_rows(cursor: Any) -> Rows:
    rows: Rows = cursor.fetchall()
    return rows


def _first_row(cursor: Any) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _rows_if_any(cursor: Any) -> Rows:
    return _all_rows(cursor) if cursor.description else ()


def _last_id(cursor: Any) -> int:
    return int(cursor.lastrowid)


def _nothing(_cursor: Any) -> None:
    return None

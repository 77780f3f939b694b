"""Django's MySQL back end, with PyMySQL where mysqlclient is not installed, and fewer round trips.

On the hot path a round trip costs as much as a small statement, on either side. So a transaction is begun together
with its first statement (Django would switch the session's autocommit off and on again), several statements may go as
one, those whose answer nobody needs wait for the next one, and a transaction's last statement may take the COMMIT
along. The server runs them one after the other, each with a snapshot of its own, and stops at the first that fails.
MariaDB parses those that come again and again once a connection (`prepared.py`).
"""

try:
    import MySQLdb
except ImportError:
    import pymysql

    pymysql.install_as_MySQLdb()
    import MySQLdb

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from django.db.backends.mysql import base
from MySQLdb.constants import CLIENT

from bookwell.kit.adapters.django.mysql.prepared import PreparedStatements
from bookwell.kit.adapters.django.mysql.pymysql_connection import Connection
from bookwell.kit.adapters.django.mysql.validation import DatabaseValidation
from bookwell.kit.adapters.django.statements import EarlierStatementFailed

_BEGIN = "START TRANSACTION"
_IS_PYMYSQL = MySQLdb.__name__ == "pymysql"


class CursorWrapper(base.CursorWrapper):
    """Django's, which first does what is still to be done, and maps errors behind the first result."""

    def __init__(self, cursor: Any, database: "DatabaseWrapper") -> None:
        super().__init__(cursor)
        self._database = database

    def execute(self, query: str, args: Any = None) -> Any:
        """Run a statement, or several that stand in one string; `nextset` leads to each further result."""
        self._database.flush()
        if not self._database.begins:
            return super().execute(query, args)
        self._database.begins = False
        super().execute(f"{_BEGIN}; {query}", args)
        self.nextset()
        return self.cursor.rowcount

    def executemany(self, query: str, args: Any) -> Any:
        """Run a statement for each of several sets of parameters; the driver joins some of them."""
        self._database.flush()
        if self._database.begins:
            self._database.begins = False
            super().execute(_BEGIN)
        return super().executemany(query, args)

    def nextset(self) -> Any:
        """Go to the next result, where there is one."""
        try:
            return self.cursor.nextset()
        except MySQLdb.OperationalError as error:
            if error.args[0] in self.codes_for_integrityerror:
                raise IntegrityError(*error.args) from error
            raise


@dataclass(frozen=True, slots=True)
class _Result:
    """What a statement answered, as PyMySQL's result has it."""

    rows: Any
    insert_id: int


class DatabaseWrapper(base.DatabaseWrapper):
    """MySQL and MariaDB; the session stays in autocommit and transactions are begun by statement."""

    validation_class = DatabaseValidation
    begins = False
    """Whether the next statement is the first of a transaction."""
    _is_committed = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: list[tuple[str, Sequence[Any]]] = []
        self._prepared: PreparedStatements | None = None

    def get_connection_params(self) -> dict[str, Any]:
        """Django's parameters; PyMySQL has to be told that several statements may come at once, mysqlclient knows."""
        params: dict[str, Any] = super().get_connection_params()
        return params | {"client_flag": params["client_flag"] | CLIENT.MULTI_STATEMENTS}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Django's hook."""
        self.begins = self._is_committed = False
        self._waiting.clear()
        connection = Connection(**conn_params) if _IS_PYMYSQL else super().get_new_connection(conn_params)
        self._prepared = PreparedStatements(connection) if _takes_prepared_texts(connection) else None
        return connection

    def create_cursor(self, name: str | None = None) -> CursorWrapper:  # noqa: ARG002 -- Django's signature
        """Django's hook."""
        return CursorWrapper(self.connection.cursor(), self)

    def let_wait(self, statement: str, parameters: Sequence[Any]) -> None:
        """Send a statement that answers no rows with the next one, or with the COMMIT."""
        self._waiting.append((statement, parameters))

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self.run((), ())

    def run(self, statements: Sequence[str], parameters: Sequence[Any]) -> list[Any]:
        """What each of several statements answered (`rows`, `insert_id`), sent as one string behind what waits.

        Raises:
            EarlierStatementFailed: if what waited breaks a constraint.
        """
        earlier, self._waiting = self._waiting, []
        if self.begins:
            earlier.insert(0, (_BEGIN, ()))
            self.begins = False
        texts, values = statements, parameters
        if earlier:
            texts = [*(text for text, _ in earlier), *statements]
            values = [*(value for _, several in earlier for value in several), *parameters]
        if self._prepared is not None:
            texts = list(map(self._prepared.shortened, texts))
        results: list[Any] = []
        run = self.connection.run if _IS_PYMYSQL else self._run_by_cursor
        with self.wrap_database_errors:
            try:
                results.extend(run("; ".join(texts), values))
            except (MySQLdb.IntegrityError, MySQLdb.OperationalError) as error:
                if not _tells_of_constraint(error):
                    raise
                kind = EarlierStatementFailed if len(results) < len(earlier) else IntegrityError
                raise kind(*error.args) from error
        return results[len(earlier) :]

    def run_and_commit(self, statement: str, parameters: Sequence[Any]) -> None:
        """A statement and the COMMIT of the outermost transaction; nothing may follow but that transaction's end."""
        self.run((statement, "COMMIT"), parameters)
        self._is_committed = True

    def _run_by_cursor(self, text: str, values: Sequence[Any]) -> Iterator[_Result]:
        cursor = self.connection.cursor()
        cursor.execute(text, values)
        yield _Result(cursor.fetchall(), cursor.lastrowid)
        while cursor.nextset():
            yield _Result(cursor.fetchall(), cursor.lastrowid)

    def _start_transaction_under_autocommit(self) -> None:
        self.begins = True

    def _commit(self) -> None:
        if self._waiting:
            self.run(("COMMIT",), ())
        elif self.begins or self._is_committed:
            self.begins = self._is_committed = False
        else:
            super()._commit()  # type: ignore[misc]  # Django's, which its stubs leave out

    def _rollback(self) -> None:
        self._waiting.clear()
        if self.begins:
            self.begins = False
        else:
            self._is_committed = False
            super()._rollback()  # type: ignore[misc]


def _takes_prepared_texts(connection: Any) -> bool:
    """Whether `EXECUTE` takes values as they stand, as MariaDB's does; MySQL's takes variables alone."""
    return "MariaDB" in connection.get_server_info()


def _tells_of_constraint(error: Exception) -> bool:
    return isinstance(error, MySQLdb.IntegrityError) or error.args[0] in CursorWrapper.codes_for_integrityerror

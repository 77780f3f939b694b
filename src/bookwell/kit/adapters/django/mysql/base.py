"""Django's MySQL back end, with PyMySQL where mysqlclient is not installed, and fewer round trips.

On the hot path a round trip costs as much as a small statement, on either side. So a transaction is begun together
with its first statement (Django would switch the session's autocommit off and on again), several statements may go as
one, and a transaction's last statement may take the COMMIT along. The server runs them one after the other, each with
a snapshot of its own, and stops at the first that fails.
"""

try:
    import MySQLdb
except ImportError:
    import pymysql

    pymysql.install_as_MySQLdb()
    import MySQLdb

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError
from django.db.backends.mysql import base
from MySQLdb.constants import CLIENT

from bookwell.kit.adapters.django.mysql.validation import DatabaseValidation

_BEGIN = "START TRANSACTION"


class CursorWrapper(base.CursorWrapper):
    """Django's, which begins the transaction if that is still to be done, and maps errors behind the first result."""

    def __init__(self, cursor: Any, database: "DatabaseWrapper") -> None:
        super().__init__(cursor)
        self._database = database

    def execute(self, query: str, args: Any = None) -> Any:
        """Run a statement, or several that stand in one string; `nextset` leads to each further result."""
        if not self._database.begins:
            return super().execute(query, args)
        self._database.begins = False
        super().execute(f"{_BEGIN}; {query}", args)
        self.nextset()
        return self.cursor.rowcount

    def executemany(self, query: str, args: Any) -> Any:
        """Run a statement for each of several sets of parameters; the driver joins some of them."""
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


class DatabaseWrapper(base.DatabaseWrapper):
    """MySQL and MariaDB; the session stays in autocommit and transactions are begun by statement."""

    validation_class = DatabaseValidation
    begins = False
    """Whether the next statement is the first of a transaction."""
    _is_committed = False

    def get_connection_params(self) -> dict[str, Any]:
        """Django's parameters; PyMySQL has to be told that several statements may come at once, mysqlclient knows."""
        params: dict[str, Any] = super().get_connection_params()
        return params | {"client_flag": params["client_flag"] | CLIENT.MULTI_STATEMENTS}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Django's hook."""
        self.begins = self._is_committed = False
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> CursorWrapper:  # noqa: ARG002 -- Django's signature
        """Django's hook."""
        return CursorWrapper(self.connection.cursor(), self)

    def execute_together(self, statements: Sequence[str], parameters: Sequence[Any]) -> list[Any]:
        """The rows of each of several statements, sent as one string."""
        with self.wrap_database_errors:
            cursor = self.create_cursor()
            cursor.execute("; ".join(statements), parameters)
            rows = [cursor.fetchall()]
            while cursor.nextset():
                rows.append(cursor.fetchall())
            return rows

    def execute_and_commit(self, statement: str, parameters: Sequence[Any]) -> None:
        """A statement and the COMMIT of the outermost transaction; nothing may follow but that transaction's end."""
        self.execute_together((statement, "COMMIT"), parameters)
        self._is_committed = True

    def _start_transaction_under_autocommit(self) -> None:
        self.begins = True

    def _commit(self) -> None:
        if self.begins or self._is_committed:
            self.begins = self._is_committed = False
        else:
            super()._commit()  # type: ignore[misc]  # Django's, which its stubs leave out

    def _rollback(self) -> None:
        if self.begins:
            self.begins = False
        else:
            self._is_committed = False
            super()._rollback()  # type: ignore[misc]

"""Django's MySQL back end, with PyMySQL where mysqlclient is not installed, and cheaper transactions.

Django begins a transaction by switching the session's autocommit off and on again, two round trips more than
`START TRANSACTION`. On the hot path they cost as much as a lock.
"""

try:
    import MySQLdb  # noqa: F401 -- only asks whether it is there
except ImportError:
    import pymysql

    pymysql.install_as_MySQLdb()

from django.db.backends.mysql import base

from bookwell.kit.adapters.django.mysql.validation import DatabaseValidation


class DatabaseWrapper(base.DatabaseWrapper):
    """MySQL and MariaDB; the session stays in autocommit and transactions are begun by statement."""

    validation_class = DatabaseValidation

    def _start_transaction_under_autocommit(self) -> None:
        with self.wrap_database_errors:
            self.connection.query("START TRANSACTION")

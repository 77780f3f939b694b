"""Django's SQLite back end, with write transactions that queue instead of starving one another.

`transaction_mode` of stock Django hits every atomic block; here the transaction runner asks for IMMEDIATE, and
whatever else writes (admin, management commands) inherits the busy time-out.
"""

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    """SQLite; `begins_immediate` is set by the transaction runner while it opens a write transaction."""

    begins_immediate = False

    def _start_transaction_under_autocommit(self) -> None:
        self.cursor().execute("BEGIN IMMEDIATE" if self.begins_immediate else "BEGIN")

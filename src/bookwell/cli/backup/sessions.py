"""Who else is connected to a database: what a restore would pull away from under a service that runs."""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading

__all__ = ["list_connected"]

_PATIENCE_SECONDS = 3.0
_PAUSE_SECONDS = 0.2
# Everybody may see that there are others; whose state and kind are hidden is no process of the server's own: it has a
# user.
_ON_POSTGRESQL = text(
    "SELECT pid, usename, COALESCE(NULLIF(application_name, ''), host(client_addr), 'a socket') FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()"
)
_OF_THE_SERVER = frozenset({"system user", "event_scheduler"})


def list_connected(url: str) -> Sequence[str]:
    """Who else is connected, and stays so for some seconds: who has just ended may be seen for a moment longer.

    A MariaDB or MySQL shows the sessions of the same user alone, unless that may see all (PROCESS). On SQLite it is
    somebody or nobody.

    Raises:
        SQLAlchemyError: if the database does not answer.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _on_sqlite(Path(make_url(url).database or ""))
    engine = engine_of(url, connections=1)
    try:
        with reading(engine) as connection:
            found = _staying(connection, _LOOKS[connection.dialect.name])
    finally:
        engine.dispose()
    return [f"{name}, {number} sessions" if number > 1 else name for name, number in Counter(found.values()).items()]


def _staying(connection: Connection, look: Callable[[Connection], Mapping[int, str]]) -> Mapping[int, str]:
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    found = look(connection)
    while found and time.monotonic() < ends_at:
        time.sleep(_PAUSE_SECONDS)
        present = look(connection)
        found = {session: name for session, name in found.items() if session in present}
    return found


def _on_postgresql(connection: Connection) -> Mapping[int, str]:
    return {int(row[0]): f"{row[1]} from {row[2]}" for row in connection.execute(_ON_POSTGRESQL)}


def _on_mysql(connection: Connection) -> Mapping[int, str]:
    own, database = connection.execute(text("SELECT CONNECTION_ID(), DATABASE()")).one()
    rows = connection.execute(text("SHOW PROCESSLIST")).mappings()
    return {
        int(row["Id"]): f"{row['User']} from {str(row['Host']).partition(':')[0] or 'a socket'}"
        for row in rows
        if row["db"] == database and row["Id"] != own and row["User"] not in _OF_THE_SERVER
    }


def _on_sqlite(file: Path) -> Sequence[str]:
    """Whoever has opened a database with a log of writes holds a lock on it until the end."""
    if not file.is_file():
        return ()
    with closing(sqlite3.connect(file, timeout=_PATIENCE_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            return ("another program",) if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else ()
        except sqlite3.DatabaseError:  # no database at all any more: it is to be replaced
            return ()
    return ()


_LOOKS: Mapping[str, Callable[[Connection], Mapping[int, str]]] = {"postgresql": _on_postgresql, "mysql": _on_mysql}

"""Django's cache in a SQLite file of its own: shared by the processes of one machine, never in the library's way.

Unlike Django's database cache it counts exactly (`incr` is one transaction) and costs no lock of the library's file.
What it holds may be lost with the machine: the file is written without fsync.
"""

import pickle
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from bookwell.kit.private_files import make_private_folder
from bookwell.kit.writers import line_of

__all__ = ["SqliteCache"]

_SETUP = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE IF NOT EXISTS entry (name TEXT PRIMARY KEY, value BLOB NOT NULL, expires REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires);
"""
_ALIVE = "name = ? AND (expires IS NULL OR expires > ?)"
_WRITES_BETWEEN_SWEEPS = 1000


class SqliteCache(BaseCache):
    """`LOCATION` is the file; Django makes one instance a thread, each with its own connection."""

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._path = Path(location)
        self._connection: sqlite3.Connection | None = None
        self._writes = 0

    def __del__(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """The value, or `default`."""
        return _load(self._find(self._name(key, version)), default)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep a value."""
        with self._writing() as connection:
            self._put(connection, self._name(key, version), value, timeout)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep a value unless there is one; whether it was kept."""
        name = self._name(key, version)
        with self._writing() as connection:
            if self._find(name) is not None:
                return False
            self._put(connection, name, value, timeout)
            return True

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a number.

        Raises:
            ValueError: if there is none, as Django's contract has it.
        """
        name = self._name(key, version)
        with self._writing() as connection:
            value = self._find(name)
            if not isinstance(value, int):
                raise ValueError(f"No number under {key!r}")  # noqa: TRY004 -- Django names it
            connection.execute("UPDATE entry SET value = ? WHERE name = ?", (value + delta, name))
            return value + delta

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Give an entry a new time to live; whether it exists."""
        with self._writing() as connection:
            values = (self.get_backend_timeout(timeout), self._name(key, version), time.time())
            return connection.execute(f"UPDATE entry SET expires = ? WHERE {_ALIVE}", values).rowcount > 0

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget an entry; whether it existed."""
        with self._writing() as connection:
            return connection.execute("DELETE FROM entry WHERE name = ?", (self._name(key, version),)).rowcount > 0

    def clear(self) -> None:
        """Forget everything."""
        with self._writing() as connection:
            connection.execute("DELETE FROM entry")

    def _name(self, key: Any, version: int | None) -> str:
        return str(self.make_and_validate_key(key, version=version))

    def _find(self, name: str) -> Any:
        row = self._open().execute(f"SELECT value FROM entry WHERE {_ALIVE}", (name, time.time())).fetchone()
        return None if row is None else row[0]

    def _put(self, connection: sqlite3.Connection, name: str, value: Any, timeout: Any) -> None:
        raw = value if type(value) is int else pickle.dumps(value)
        connection.execute("REPLACE INTO entry VALUES (?, ?, ?)", (name, raw, self.get_backend_timeout(timeout)))
        self._writes += 1
        if self._writes % _WRITES_BETWEEN_SWEEPS == 0:
            connection.execute("DELETE FROM entry WHERE expires <= ?", (time.time(),))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        finally:
            connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            make_private_folder(self._path.parent)
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            with line_of(str(self._path)):  # who finds the file half made is told at once that it is locked
                connection.executescript(_SETUP)
            self._connection = connection
        return self._connection


def _load(raw: Any, default: Any) -> Any:
    if raw is None:
        return default
    return pickle.loads(raw) if isinstance(raw, bytes) else raw  # noqa: S301 -- our own file, mode of the data folder

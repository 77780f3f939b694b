"""Which identifiers a file has had already: on disk, so that memory does not grow with the file."""

import sqlite3
from types import TracebackType
from typing import Self

from bookwell.library.catalog.importing.records import Record, Rejection

__all__ = ["SeenIdentifiers"]


class SeenIdentifiers:
    """A private temporary database, gone with the process; a context manager."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # the empty name is a file that SQLite removes
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (name TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def repeated(self, record: Record) -> Rejection | None:
        """Why the record is a duplicate within its file; None, and it is remembered, when it is the first."""
        names = [("control number", "=" + record.control_number)]
        if record.data.isbn:
            names.append(("ISBN", record.data.isbn))
        for kind, name in names:
            row = self._database.execute("SELECT line FROM seen WHERE name = ?", (name,)).fetchone()
            if row is not None:
                reason = f"the {kind} {name.lstrip('=')} was in line {row[0]} already"
                return Rejection(record.line, "duplicate", reason, record.data.title)
        self._database.executemany("INSERT INTO seen VALUES (?, ?)", [(name, record.line) for _, name in names])
        return None

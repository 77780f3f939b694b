"""The table `log_record`, where the log sink's thread writes; in any database, whoever made the table.

Where it is the library's database, Django's migrations make the table; elsewhere `ensure_log_table` does. The columns
and the names of the indexes are the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DataError, IntegrityError

from bookwell.kit.adapters.sqlalchemy.engines import engine_of, writing
from bookwell.kit.adapters.sqlalchemy.schema_lock import schema_lock
from bookwell.kit.log_records import LogRecord
from bookwell.kit.log_sink import RecordsRefused
from bookwell.kit.tracing import TRACE_ID_LENGTH

__all__ = ["LogTable", "ensure_log_table", "log_record"]

_LOCK = "bookwell-log-table"
_COLLATION = "utf8mb4_bin"
_COLUMNS = tuple(column.name for column in fields(LogRecord))
"""Those that a record fills."""

_metadata = MetaData()
log_record = Table(
    "log_record",
    _metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("service", String(32), nullable=False),
    Column("level", String(8), nullable=False),
    Column("event", String(200), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("logger", String(100), nullable=False),
    Column("fields", Text, nullable=False),
    Column("trace", String(TRACE_ID_LENGTH), nullable=False, server_default=""),
    Index("log_record_at", "at", "id"),
    Index("log_record_level", "level", "at", "id"),
    Index("log_record_service", "service", "at", "id"),
    Index("log_record_event", "event", "at", "id"),
    Index("log_record_request", "request_id", "at", "id"),
    mysql_charset="utf8mb4",
    mysql_collate=_COLLATION,
)
_trace_index = Index("log_record_trace", log_record.c.trace, log_record.c.at, log_record.c.id)
_version = Table("log_schema", _metadata, Column("version", Integer, primary_key=True, autoincrement=False))


class LogTable:
    """Writes batches of records into the table of a database; one connection, opened at the first batch."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = engine_of(url, connections=1)
        self._parents: list[Engine] = []

    def write(self, records: Sequence[LogRecord]) -> None:
        """Insert all of them in one transaction.

        Raises:
            RecordsRefused: if the database has no room for what they say.
        """
        rows: list[dict[str, Any]] = [{name: getattr(record, name) for name in _COLUMNS} for record in records]
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(log_record), rows)
        except (DataError, IntegrityError) as error:
            raise RecordsRefused from error

    def forget_parent(self) -> None:
        """After a fork: an engine of its own, because a thread of the parent may have held a lock of the former one.

        That one is kept, so that nothing closes the connections, which are the parent's.
        """
        self._parents.append(self._engine)
        self._engine = engine_of(self._url, connections=1)

    def close(self) -> None:
        """Give the connection back."""
        self._engine.dispose()


def ensure_log_table(url: str) -> None:
    """Make the table, or bring it up to date; whoever comes later finds nothing to do.

    Raises:
        SchemaBusy: if another process does so for too long.
    """
    engine = engine_of(url, answer_seconds=None)
    try:
        with schema_lock(engine, _LOCK) as connection:
            _version.create(connection, checkfirst=True)
            current = connection.scalar(select(_version.c.version))
            if current is None:
                current = 0
                connection.execute(insert(_version).values(version=current))
            for number, step in enumerate(_STEPS[current:], start=current + 1):
                step(connection)
                connection.execute(update(_version).values(version=number))
                connection.commit()
            connection.commit()
    finally:
        engine.dispose()


def _create(connection: Connection) -> None:
    log_record.create(connection, checkfirst=True)
    for index in log_record.indexes - {_trace_index}:  # a process may have died between the table and them
        index.create(connection, checkfirst=True)


def _compare_by_bytes(connection: Connection) -> None:
    """MySQL and MariaDB gave a table whose character set alone was named their own collation: `Ä` was `a`."""
    if connection.dialect.name == "mysql":
        connection.execute(text(f"ALTER TABLE log_record CONVERT TO CHARACTER SET utf8mb4 COLLATE {_COLLATION}"))


def _add_trace(connection: Connection) -> None:
    """Records of one trace are found by it; those that were kept before have none."""
    if log_record.c.trace.name not in {column["name"] for column in inspect(connection).get_columns("log_record")}:
        kind = f"VARCHAR({TRACE_ID_LENGTH}) DEFAULT '' NOT NULL"  # the default also for writers of the version before
        connection.execute(text(f"ALTER TABLE log_record ADD COLUMN trace {kind}"))
    _trace_index.create(connection, checkfirst=True)


_STEPS: tuple[Callable[[Connection], None], ...] = (_create, _compare_by_bytes, _add_trace)
"""By version, from 1; each may run again after it was broken off."""

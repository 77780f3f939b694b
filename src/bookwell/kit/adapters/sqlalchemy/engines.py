"""Engines for the database URLs of the settings, with what each database needs to be correct.

An engine must not cross a fork: make it in the process that uses it.
"""

import select
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import StaticPool

from bookwell.kit.adapters.sqlalchemy.statements import send_waiting, sending
from bookwell.kit.writers import line_of

__all__ = ["engine_of", "reading", "writing"]

_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
}
_SQLITE_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON")
_IS_WRITE, _IS_READ = "bookwell_is_write", "bookwell_is_read"
# A database that does not answer is one that is down: who asks rests and asks again.
_CONNECT_SECONDS = 3
_ANSWER_SECONDS = 30
_MYSQL_CONNECT: dict[str, Any] = {
    "charset": "utf8mb4",
    "connect_timeout": _CONNECT_SECONDS,
    "init_command": "SET innodb_lock_wait_timeout = 5, sql_mode = 'TRADITIONAL', time_zone = '+00:00'",
}
_POSTGRESQL_CONNECT: dict[str, Any] = {
    "connect_timeout": _CONNECT_SECONDS,
    "options": "-c lock_timeout=5000 -c timezone=UTC",
}


def engine_of(url: str, *, connections: int = 3, answer_seconds: int | None = _ANSWER_SECONDS) -> Engine:
    """An engine for a `sqlite:`, `mysql:` or `postgresql:` URL: READ COMMITTED, UTC, few connections, tried before use.

    A server that does not answer for `answer_seconds` counts as down; None waits for as long as it takes, as changes
    of a schema need.

    On SQLite, transactions of `writing` are IMMEDIATE and stand in the file's line of writers. Parameters never
    appear in errors: they may be personal.

    Raises:
        SystemExit: for another kind of database.
    """
    parsed = make_url(url)
    kind = parsed.drivername.partition("+")[0]
    if kind not in _DRIVERS:
        raise SystemExit(f"no support for a database of the kind {kind!r}")
    parsed = parsed.set(drivername=_DRIVERS[kind])
    if kind == "sqlite":
        return _sqlite_engine(parsed)
    is_mysql = parsed.get_backend_name() == "mysql"
    engine = create_engine(
        parsed,
        isolation_level="READ COMMITTED",
        pool_pre_ping=is_mysql,
        pool_size=connections,
        max_overflow=connections,
        pool_recycle=3600,
        hide_parameters=True,
        connect_args=_mysql_connect(answer_seconds) if is_mysql else _postgresql_connect(answer_seconds),
    )
    if not is_mysql:
        event.listen(engine, "checkout", _refuse_ended)
        event.listen(engine, "before_cursor_execute", send_waiting)
        event.listen(engine, "begin", _stand_alone)
        event.listen(engine, "checkin", _stand_together)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction: committed at the end of the block, rolled back by an exception. Keep it short."""
    line = line_of(engine.url.database or "") if engine.dialect.name == "sqlite" else nullcontext()
    with line, engine.connect() as connection:
        connection.execution_options(**{_IS_WRITE: True})
        with connection.begin(), sending(connection):
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reads, which wait for no writer and hold no locks.

    On PostgreSQL each statement stands alone: in a transaction it would see no less of others' changes, and the
    driver throws its prepared statements away at every rollback.
    """
    with engine.connect() as connection:
        connection.execution_options(**{_IS_READ: True})
        yield connection


def _refuse_ended(connection: Any, _record: Any, _proxy: Any) -> None:
    """The pool's hook, in place of a question to the server: what an idle connection has to read is its end."""
    idle = select.poll()
    idle.register(connection.fileno(), select.POLLIN)
    if idle.poll(0):
        raise InvalidatePoolError


def _stand_alone(connection: Connection) -> None:
    """SQLAlchemy's hook before the first statement of its own; `kit.adapters.sqlalchemy.statements` needs none."""
    if connection.get_execution_options().get(_IS_READ, False):
        driver: Any = connection.connection.driver_connection
        driver.autocommit = True


def _stand_together(driver: Any, _record: Any) -> None:
    """The pool's hook: whoever takes the connection next may want a transaction."""
    if driver is not None and driver.autocommit and not driver.closed:
        driver.autocommit = False


def _mysql_connect(answer_seconds: int | None) -> dict[str, Any]:
    return _MYSQL_CONNECT | {"read_timeout": answer_seconds, "write_timeout": answer_seconds}


def _postgresql_connect(answer_seconds: int | None) -> dict[str, Any]:
    limit = {} if answer_seconds is None else {"tcp_user_timeout": answer_seconds * 1000}
    return _POSTGRESQL_CONNECT | limit


def _sqlite_engine(url: URL) -> Engine:
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": 30}}
    if url.database in {None, "", ":memory:"}:
        options["poolclass"] = StaticPool
    engine = create_engine(url, hide_parameters=True, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come late and never be IMMEDIATE
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    is_write = connection.get_execution_options().get(_IS_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

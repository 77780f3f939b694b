"""Brings the notifier's tables up to date; any number of processes may try at once, one does it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from bookwell.kit.adapters.sqlalchemy.engines import engine_of

__all__ = ["is_up_to_date", "migrate"]

_SCRIPTS = Path(__file__).parent / "migrations"
VERSION_TABLE = "notifier_migration"
_LOCK = "bookwell-notifier-migrations"
_LOCK_NUMBER = 0x626F6F6B6E6F7466  # PostgreSQL's locks have numbers
_WAIT_SECONDS = 120


class MigrationBusy(Exception):
    """Another process has been migrating for minutes."""


def migrate(url: str) -> None:
    """Apply the migrations that are missing.

    Raises:
        MigrationBusy: if another process does so for too long.
    """
    engine = engine_of(url)
    try:
        with _file_lock(engine), engine.connect() as connection, _server_lock(connection):
            config = configuration()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def is_up_to_date(connection: Connection) -> bool:
    """Whether the database has the tables that this code expects."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return set(context.get_current_heads()) == set(ScriptDirectory.from_config(configuration()).get_heads())


def configuration() -> Config:
    """Alembic's configuration; there is no file of it."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE
    return config


@contextmanager
def _file_lock(engine: Engine) -> Iterator[None]:
    """On SQLite: a file beside the database; the kernel frees the lock of a process that dies."""
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database or database == ":memory:":
        yield
        return
    Path(database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(f"{database}-migrating", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _server_lock(connection: Connection) -> AbstractContextManager[None]:
    """On a server: a lock of its session, which ends with it."""
    match connection.dialect.name:
        case "postgresql":
            return _postgresql_lock(connection)
        case "mysql" | "mariadb":
            return _mysql_lock(connection)
    return nullcontext()


@contextmanager
def _postgresql_lock(connection: Connection) -> Iterator[None]:
    connection.execute(text(f"SET lock_timeout = '{_WAIT_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK_NUMBER})
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": _LOCK_NUMBER})
        connection.commit()


@contextmanager
def _mysql_lock(connection: Connection) -> Iterator[None]:
    database = connection.engine.url.database
    name = {"name": f"{_LOCK}:{database}"[:64], "seconds": _WAIT_SECONDS}
    if connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), name) != 1:
        raise MigrationBusy
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)
        connection.commit()

"""One process at a time changes a schema: MySQL's statements about tables cannot be rolled back."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from bookwell.kit.private_files import make_private_folder

__all__ = ["SchemaBusy", "schema_lock"]

_WAIT_SECONDS = 120


class SchemaBusy(Exception):
    """Another process has been changing it for minutes."""


@contextmanager
def schema_lock(engine: Engine, name: str) -> Iterator[Connection]:
    """A connection that holds the lock `name`, which ends with it, however the process ends.

    Raises:
        SchemaBusy: after two minutes (PostgreSQL says so in an error of its own; SQLite's is waited for).
    """
    with _file_lock(engine), engine.connect() as connection, _server_lock(connection, name):
        yield connection


@contextmanager
def _file_lock(engine: Engine) -> Iterator[None]:
    """On SQLite: a file beside the database; the kernel frees the lock of a process that dies."""
    database = engine.url.database
    if engine.dialect.name != "sqlite" or not database or database == ":memory:":
        yield
        return
    make_private_folder(Path(database).parent)
    descriptor = os.open(f"{database}-migrating", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _server_lock(connection: Connection, name: str) -> AbstractContextManager[None]:
    match connection.dialect.name:
        case "postgresql":
            return _postgresql_lock(connection, name)
        case "mysql" | "mariadb":
            return _mysql_lock(connection, name)
    return nullcontext()


@contextmanager
def _postgresql_lock(connection: Connection, name: str) -> Iterator[None]:
    digest = hashlib.sha256(name.encode()).digest()
    number = {"number": int.from_bytes(digest[:8], "big", signed=True)}  # PostgreSQL's locks have numbers
    connection.execute(text(f"SET lock_timeout = '{_WAIT_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_lock(:number)"), number)
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:number)"), number)
        connection.commit()


@contextmanager
def _mysql_lock(connection: Connection, name: str) -> Iterator[None]:
    """MySQL's locks are the server's, so the database is in the name."""
    place = {"name": f"{name}:{connection.engine.url.database}"[:64], "seconds": _WAIT_SECONDS}
    if connection.scalar(text("SELECT GET_LOCK(:name, :seconds)"), place) != 1:
        raise SchemaBusy
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), place)
        connection.commit()

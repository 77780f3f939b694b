"""How each kind of database is saved, emptied and filled again."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL, make_url

from bookwell.cli.backup.programs import find_program, run_program
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading, writing
from bookwell.kit.private_files import make_private_folder, sync_folder

__all__ = ["SKIPPED_IDS", "Store", "mysql_options", "store_of"]

SKIPPED_IDS = 100_000
"""So many ids are left out after a restore: those given out after the backup are known outside, and mean one thing."""

# SQLite keeps no counter of a table that has never had a row.
_COUNT_FROM_NOTHING = (
    "INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_master WHERE type = 'table'"
    " AND sql LIKE '%AUTOINCREMENT%' AND name NOT IN (SELECT name FROM sqlite_sequence)"
)
# `loose`: whose program does not know it goes on. Both would write statements that an ordinary user may not execute.
_FOR_DUMPS = ("[mysqldump]", "loose-set-gtid-purged=OFF", "loose-column-statistics=0")
# MariaDB's programs log in at a MySQL over TLS alone.
_FOR_STRANGERS = ("ssl",)
# From 11.4 on they want a certificate that they can verify, while servers make one for themselves, or have none. They
# are as strict as the services: the URL says whether anything is verified.
_UNVERIFIED = ("loose-skip-ssl-verify-server-cert",)
_VERIFIED = ("ssl", "ssl-verify-server-cert")
_CERTIFICATES = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")


class Store(Protocol):
    """One service's database."""

    @property
    def kind(self) -> str:
        """`sqlite`, `postgresql` or `mysql`."""

    @property
    def ending(self) -> str:
        """Of its file in a backup."""

    def save(self, file: Path) -> None:
        """Write a consistent copy, while others go on working."""

    def is_empty(self) -> bool:
        """Whether nothing would be lost."""

    def fill(self, file: Path) -> None:
        """Make the database what it was; whatever it holds now is gone."""


def store_of(url: str) -> Store:
    """The database of a URL."""
    kind = make_url(url).drivername.partition("+")[0]
    if kind == "sqlite":
        return _Sqlite(url)
    return _Postgresql(url) if kind in {"postgresql", "postgres"} else _Mysql(url)


@dataclass(frozen=True, slots=True)
class _Sqlite:
    url: str
    kind: str = "sqlite"
    ending: str = "sqlite3"

    @property
    def _file(self) -> Path:
        return Path(make_url(self.url).database or "")

    def save(self, file: Path) -> None:
        """By SQLite's own online copy, which sees one moment of the database."""
        if not self._file.is_file():
            raise FileNotFoundError(self._file)
        file.touch(mode=0o600)
        with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(file)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
        with file.open("rb") as stream:
            os.fsync(stream.fileno())

    def is_empty(self) -> bool:
        """Whether there is no file."""
        return not self._file.exists()

    def fill(self, file: Path) -> None:
        """Put the file in its place whole; the log of the former one goes first, because it is not this one's."""
        make_private_folder(self._file.parent)
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(draft)) as target:
            source.backup(target)
            if target.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
                target.execute(_COUNT_FROM_NOTHING)
                target.execute("UPDATE sqlite_sequence SET seq = seq + ?", [SKIPPED_IDS])
                target.commit()
        for suffix in ("-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        draft.replace(self._file)
        sync_folder(self._file.parent)


@dataclass(frozen=True, slots=True)
class _Postgresql:
    url: str
    kind: str = "postgresql"
    ending: str = "dump"

    def save(self, file: Path) -> None:
        """One snapshot."""
        program = find_program("pg_dump", package="postgresql-client")
        options = ["--format=custom", "--no-owner", "--no-privileges", "--lock-wait-timeout=30s"]
        run_program([program, *options, f"--dbname={self._address}"], environment=self._password, target=file)

    def is_empty(self) -> bool:
        """Whether it has no table."""
        return _has_no_table(self.url)

    def fill(self, file: Path) -> None:
        """Everything or nothing, after the schema was made anew."""
        with _connected(self.url) as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        program = find_program("pg_restore", package="postgresql-client")
        options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction"]
        run_program([program, *options, f"--dbname={self._address}", str(file)], environment=self._password)
        with _connected(self.url) as connection:
            connection.execute(
                text(
                    "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass,"
                    " COALESCE(last_value, 0) + :skipped) FROM pg_sequences WHERE schemaname = 'public'"
                ),
                {"skipped": SKIPPED_IDS},
            )

    @property
    def _address(self) -> str:
        plain = make_url(self.url).set(drivername="postgresql")
        bare = URL.create("postgresql", plain.username, None, plain.host, plain.port, plain.database, plain.query)
        return bare.render_as_string(hide_password=False)

    @property
    def _password(self) -> Mapping[str, str]:
        password = make_url(self.url).password
        return {"PGPASSWORD": str(password), "PGCONNECT_TIMEOUT": "10"} if password else {"PGCONNECT_TIMEOUT": "10"}


@dataclass(frozen=True, slots=True)
class _Mysql:
    """MariaDB, too."""

    url: str
    kind: str = "mysql"
    ending: str = "sql"

    def save(self, file: Path) -> None:
        """One snapshot of InnoDB's tables, without a lock."""
        program = find_program(*self._programs("mariadb-dump", "mysqldump"), package="mariadb-client")
        options = ["--single-transaction", "--quick", "--routines", "--triggers", "--hex-blob", "--no-tablespaces"]
        with self._login() as login:
            run_program([program, login, "--default-character-set=utf8mb4", *options, self._name], target=file)

    def is_empty(self) -> bool:
        """Whether it has no table."""
        return _has_no_table(self.url)

    def fill(self, file: Path) -> None:
        """After everything that is there was dropped; statements about tables cannot be rolled back here."""
        with _connected(self.url) as connection:
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
            for name in inspect(connection).get_table_names():
                connection.execute(text(f"DROP TABLE `{name}`"))
        program = find_program(*self._programs("mariadb", "mysql"), package="mariadb-client")
        with self._login() as login:
            run_program([program, login, "--default-character-set=utf8mb4", self._name], source=file)
        with _connected(self.url) as connection:
            for table, column in _counted_columns(connection):
                greatest = connection.execute(text(f"SELECT COALESCE(MAX(`{column}`), 0) FROM `{table}`")).scalar()
                following = int(greatest or 0) + SKIPPED_IDS
                connection.execute(text(f"ALTER TABLE `{table}` AUTO_INCREMENT = {following}"))

    @property
    def _name(self) -> str:
        return make_url(self.url).database or ""

    def _programs(self, mariadb: str, mysql: str) -> Sequence[str]:
        """The server's own programs first: each understands its own server best."""
        return (mariadb, mysql) if self._is_mariadb() else (mysql, mariadb)

    def _is_mariadb(self) -> bool:
        with _connected(self.url) as connection:
            return "MariaDB" in str(connection.execute(text("SELECT VERSION()")).scalar())

    @contextmanager
    def _login(self) -> Iterator[str]:
        """The option that names a file with host, user and password, which goes in the end."""
        with tempfile.NamedTemporaryFile("w", prefix="bookwell-", suffix=".cnf") as file:  # open to its owner alone
            file.write(mysql_options(self.url, is_mariadb=self._is_mariadb()))
            file.flush()
            yield f"--defaults-extra-file={file.name}"


def mysql_options(url: str, *, is_mariadb: bool) -> str:
    """The option file with which the programs of MariaDB or MySQL reach a server, which is a MariaDB or a MySQL.

    All as the services do it: by `unix_socket` where the URL has it, else by host and port; with a look at the server's
    certificate when it has `ssl_ca` or `ssl_capath`.
    """
    parsed = make_url(url)
    socket = str(parsed.query.get("unix_socket", ""))
    values = {"socket": socket, "protocol": "socket"} if socket else _address(parsed)
    values |= {"user": parsed.username or ""}
    values |= {"password": str(parsed.password)} if parsed.password else {}
    given = {name: value for name, value in parsed.query.items() if name in _CERTIFICATES}
    values |= {name.replace("_", "-"): str(value) for name, value in given.items()}
    is_verified = "ssl_ca" in given or "ssl_capath" in given
    of_mysql = ["loose-ssl-mode=VERIFY_IDENTITY"] if is_verified else []
    of_mariadb = _VERIFIED if is_verified else (*(() if is_mariadb else _FOR_STRANGERS), *_UNVERIFIED)
    lines = [f'{name}="{_escaped(value)}"' for name, value in values.items()]
    return "\n".join(["[client]", *lines, *of_mysql, *_FOR_DUMPS, "[client-mariadb]", *of_mariadb, ""])


def _address(parsed: URL) -> dict[str, str]:
    return {"host": parsed.host or "127.0.0.1", "port": str(parsed.port or 3306)}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _counted_columns(connection: Connection) -> Sequence[tuple[str, str]]:
    query = "SELECT table_name, column_name FROM information_schema.columns"
    rows = connection.execute(text(f"{query} WHERE table_schema = DATABASE() AND extra LIKE '%auto_increment%'"))
    return [(str(row[0]), str(row[1])) for row in rows]


def _has_no_table(url: str) -> bool:
    engine = engine_of(url, connections=1)
    try:
        with reading(engine) as connection:
            return not inspect(connection).get_table_names()
    finally:
        engine.dispose()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = engine_of(url, connections=1, answer_seconds=None)
    try:
        with writing(engine) as connection:
            yield connection
    finally:
        engine.dispose()

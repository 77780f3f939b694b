"""Checks of databases: there, new enough, set up as we need them, migrated, on time; and what waits in them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from bookwell.cli.doctor.findings import Check, Finding, failed, fine, warning
from bookwell.cli.doctor.migrations import find_missing
from bookwell.cli.doctor.outboxes import look_at_outbox
from bookwell.cli.doctor.site import Site
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading

__all__ = ["binary_log_finding", "clock_finding", "database_checks"]

_ANSWER_SECONDS = 5
_LEAST = {"MariaDB": (10, 6), "MySQL": (8, 4), "PostgreSQL": (15,), "SQLite": (3, 40)}
_LATE_SECONDS, _WRONG_SECONDS = 2, 30
_CLOCKS = {"mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(3))", "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())"}
_WITH_OUTBOX = frozenset({"library", "tables"})
_COLLATION = "utf8mb4_bin"
_EXTENSION = "btree_gist"
_VARIABLES = ("tx_isolation", "transaction_isolation", "log_bin", "binlog_format")


@dataclass(frozen=True, slots=True)
class _Database:
    service: str
    variable: str
    url: str

    @property
    def check(self) -> str:
        return f"database of {self.service}"


def database_checks(site: Site) -> Mapping[str, Check]:
    """A check for each service's database."""
    found: dict[str, Check] = {}
    for service, settings in site.settings.items():
        for variable, url in settings.own_databases():
            database = _Database(service, variable, url)
            can_migrate = service != "library" or not site.problems["library"]
            found[database.check] = partial(_examine, database, can_migrate=can_migrate)
    return found


def clock_finding(check: str, *, server: float, own: float) -> Finding | None:
    """What to say when a server's clock and ours differ; both in seconds since 1970."""
    apart = abs(server - own)
    if apart <= _LATE_SECONDS:
        return None
    kind = failed if apart > _WRONG_SECONDS else warning
    return kind(check, f"its clock is {apart:.0f} s from this machine's", "let both follow a time server (chrony, NTP)")


def binary_log_finding(check: str, variables: Mapping[str, str]) -> Finding | None:
    """What to say of a MySQL's binary log, by the server's variables."""
    if variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT":
        return failed(check, "its binary log is by STATEMENT", "binlog_format=ROW: READ COMMITTED needs it")
    return None


def _examine(database: _Database, *, can_migrate: bool) -> Iterator[Finding]:
    file = make_url(database.url).database if database.url.startswith("sqlite:") else None
    if file and not Path(file).is_file():
        yield warning(database.check, "its file is not there yet", "start the service, or: bookwell migrate")
        return
    engine = engine_of(database.url, connections=1, answer_seconds=_ANSWER_SECONDS)
    try:
        with reading(engine) as connection:
            product, version = _version(connection)
            problems = [*_problems(database, connection, product, version)]
            if can_migrate:
                problems += _migrations(database, connection)
            if database.service in _WITH_OUTBOX:
                problems += look_at_outbox(f"outbox of {database.service}", connection)
    except (SQLAlchemyError, OSError) as error:
        words = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        yield failed(
            database.check,
            f"does not answer: {words}",
            f"start it, or set {database.variable} right: host, port, name, user, password",
        )
        return
    finally:
        engine.dispose()
    yield from problems or [fine(database.check, f"{product} {version}, up to date")]


def _version(connection: Connection) -> tuple[str, str]:
    kind = connection.dialect.name
    if kind == "sqlite":
        return "SQLite", str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())
    if kind == "postgresql":
        return "PostgreSQL", str(connection.exec_driver_sql("SHOW server_version").scalar()).split()[0]
    words = str(connection.exec_driver_sql("SELECT VERSION()").scalar())
    return ("MariaDB" if "MariaDB" in words else "MySQL"), words.partition("-")[0]


def _problems(database: _Database, connection: Connection, product: str, version: str) -> Iterator[Finding]:
    least = _LEAST[product]
    if tuple(int(part) for part in re.findall(r"\d+", version)[: len(least)]) < least:
        needed = ".".join(map(str, least))
        yield failed(database.check, f"{product} {version} is too old", f"upgrade it to {needed} at least")
    yield from _SETUPS.get(connection.dialect.name, _no_setup)(database, connection)
    if statement := _CLOCKS.get(connection.dialect.name):
        server = float(str(connection.exec_driver_sql(statement).scalar()))
        if finding := clock_finding(database.check, server=server, own=time.time()):
            yield finding


def _mysql_setup(database: _Database, connection: Connection) -> Iterator[Finding]:
    name, collation = connection.exec_driver_sql("SELECT DATABASE(), @@collation_database").one()
    if collation != _COLLATION:
        advice = f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE {_COLLATION}"
        yield failed(database.check, f"its collation is {collation}, not {_COLLATION}", advice)
    rows = connection.exec_driver_sql(f"SHOW VARIABLES WHERE Variable_name IN {_VARIABLES}")
    variables = {str(row[0]): str(row[1]) for row in rows}
    isolation = variables.get("transaction_isolation", variables.get("tx_isolation"))
    if isolation != "READ-COMMITTED":
        yield failed(
            database.check, f"transactions run at {isolation}", "let nothing at the server override READ-COMMITTED"
        )
    if finding := binary_log_finding(database.check, variables):
        yield finding


def _postgresql_setup(database: _Database, connection: Connection) -> Iterator[Finding]:
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if encoding != "UTF8":
        advice = "dump it, and restore into: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        yield failed(database.check, f"its encoding is {encoding}, not UTF8", advice)
    there = f"SELECT COUNT(*) FROM pg_available_extensions WHERE name = '{_EXTENSION}'"
    if database.service == "tables" and not connection.exec_driver_sql(there).scalar():
        yield failed(database.check, f"has no extension {_EXTENSION}", "install PostgreSQL's contrib package")


def _no_setup(_database: _Database, _connection: Connection) -> Iterator[Finding]:
    yield from ()


_SETUPS: Mapping[str, Callable[[_Database, Connection], Iterator[Finding]]] = {
    "mysql": _mysql_setup,
    "postgresql": _postgresql_setup,
}


def _migrations(database: _Database, connection: Connection) -> Sequence[Finding]:
    missing = find_missing(database.service, connection)
    if missing is None:
        advice = "going back is well for a while, unless the changelog says no; then install that version, or newer"
        return [warning(database.check, "was migrated by a newer version than this program", advice)]
    if missing:
        few = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        return [
            failed(
                database.check, f"{len(missing)} migrations are missing: {few}", f"bookwell migrate {database.service}"
            )
        ]
    return []

"""What a process does before it starts where databases start beside it: wait for its own, and bring it up to date."""

import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bookwell.cli.back_office import prepare_back_office
from bookwell.cli.backup.unfinished import refuse_unfinished_restore
from bookwell.cli.management import MIGRATIONS
from bookwell.cli.processes import spawn, stop
from bookwell.cli.samples import load_samples
from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading
from bookwell.kit.private_files import make_private_folder
from bookwell.kit.setting_urls import DATABASE_FORM, WebUrl
from bookwell.kit.settings import CommonSettings

__all__ = ["DatabaseMissing", "await_databases", "database_urls", "prepare_apart", "prepare_databases"]

_PAUSE_SECONDS = 0.5
_TOLD_EVERY_SECONDS = 10

_log = structlog.get_logger()


class DatabaseMissing(SystemExit):
    """A database did not answer in time; the message names its variable, never its address."""


def prepare_databases(services: Collection[str], *, seconds: float, is_demo: bool = False) -> None:
    """Wait for the databases of services, bring them up to date, and in a demo fill those that are empty.

    Any number of processes may do so at once: one works, the others find it done.

    Raises:
        RestoreUnfinished
        DatabaseMissing: if one does not answer within `seconds`.
    """
    settings = _Prepared.load()
    clock.set_offset(settings.clock_offset)
    make_private_folder(settings.data_dir)
    refuse_unfinished_restore(settings.data_dir)
    if is_demo and "tables" in services:
        prepare_back_office(settings.data_dir.absolute(), backoffice_url=settings.back_office, tables_url="")
    await_databases(services, seconds=seconds)
    for name in MIGRATIONS:
        if name in services:
            MIGRATIONS[name]()
    if is_demo:
        load_samples(Path(settings.data_dir), services)


def await_databases(services: Collection[str], *, seconds: float) -> None:
    """Wait until the databases of services answer; a file is made by who needs it.

    Raises:
        DatabaseMissing: if one does not answer within `seconds`, or its URL is none.
    """
    deadline = time.monotonic() + seconds
    for variable, url in database_urls(services).items():
        if not url.startswith("sqlite:"):
            _wait_for(variable, url, deadline)


def prepare_apart(services: Collection[str]) -> None:
    """The same in a process of its own: whoever forks workers later must not have opened anything.

    Raises:
        SystemExit: with the status of that process, if it failed.
    """
    child = spawn([sys.executable, "-m", "bookwell.cli.main", "prepare", *services])
    try:
        status = child.wait()
    finally:
        stop(child)
    if status:
        raise SystemExit(status)


def database_urls(services: Collection[str]) -> Mapping[str, str]:
    """Where the databases of services are, by the variable that says so; embedded ones, too.

    Raises:
        InvalidSettings
    """
    chosen = [name for name in _DATABASES if name in services]
    urls = {_variable(name): _DATABASES[name]() for name in chosen}
    return {variable: url for variable, url in urls.items() if url}


class _Prepared(CommonSettings):
    simulators_url: WebUrl = "http://127.0.0.1:8030"

    @property
    def back_office(self) -> str:
        """Where a demo's back office answers."""
        return f"{self.simulators_url.rstrip('/')}/backoffice"


def _variable(service: str) -> str:
    return "BOOKWELL_LOG_DATABASE_URL" if service == "logs" else f"BOOKWELL_{service.upper()}_DATABASE_URL"


def _wait_for(variable: str, url: str, deadline: float) -> None:
    tell_at = time.monotonic() + _TOLD_EVERY_SECONDS
    try:
        engine = engine_of(url, connections=1)
    except (ArgumentError, ValueError):  # whose words would repeat a part of the password
        raise DatabaseMissing(f"{variable}: is no URL of a database; {DATABASE_FORM}") from None
    try:
        while (error := _failure_of(engine)) is not None:
            now = time.monotonic()
            if now > deadline:
                raise DatabaseMissing(
                    f"{variable}: the database does not answer ({error}); `bookwell doctor` says more"
                )
            if now > tell_at:
                tell_at = now + _TOLD_EVERY_SECONDS
                _log.warning("database.awaited", variable=variable, error=error)
            time.sleep(_PAUSE_SECONDS)
    finally:
        engine.dispose()


def _failure_of(engine: Engine) -> str | None:
    try:
        with reading(engine) as connection:
            connection.exec_driver_sql("SELECT 1")
    except (SQLAlchemyError, OSError) as error:
        return type(error).__name__
    return None


def _library() -> str:
    from bookwell.library.config.environment import LibrarySettings  # noqa: PLC0415 -- needs the extra

    return LibrarySettings.load().database_url


def _notifier() -> str:
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- the same

    return NotifierSettings.load().database_url


def _tables() -> str:
    from bookwell.tables.settings import TablesSettings  # noqa: PLC0415 -- the same

    return TablesSettings.load().database_url


_DATABASES: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "library": _library,
        "logs": lambda: CommonSettings.load().log_database,
        "notifier": _notifier,
        "tables": _tables,
    }
)

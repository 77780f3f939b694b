"""Migrations of every service, and the library's management commands from outside of Django."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from bookwell.kit.private_files import make_private_folder
from bookwell.kit.setting_urls import DatabaseUrl, url_of_file
from bookwell.kit.settings import CommonSettings

__all__ = [
    "MIGRATIONS",
    "migrate_library",
    "run_library_command",
    "run_own_command",
    "services_in_use",
    "set_up_library",
]

_TAKE_LOCK = {
    "mysql": ["SELECT GET_LOCK('bookwell_migrations', 600)"],
    "postgresql": ["SET lock_timeout = '600s'", "SELECT pg_advisory_lock(1651470187)"],
}
"""For ten minutes at most; MySQL then answers 0, PostgreSQL raises."""


def set_up_library() -> None:
    """Load Django with the library's settings, into this process."""
    import django  # noqa: PLC0415 -- a heavy import that other commands do without

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookwell.library.config.settings")
    django.setup()


def run_library_command(arguments: Sequence[str]) -> None:
    """Run a management command of the library; `migrate` waits for its lock.

    Raises:
        SystemExit: when the command fails.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookwell.library.config.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    command = ["bookwell library", *arguments]
    if arguments and arguments[0] == "migrate" and "--help" not in arguments:
        set_up_library()
        with _migration_lock():
            execute_from_command_line(command)
            execute_from_command_line(["bookwell library", "createcachetable"])
    else:
        execute_from_command_line(command)


def run_own_command(arguments: Sequence[str]) -> None:
    """Run a command of ours on the library's database, which is made first where it is embedded.

    Raises:
        SystemExit: when the command fails, or the database cannot be read.
    """
    settings = CommonSettings.load()
    if settings.mode == "embedded" and not settings.library_database_url and "--help" not in arguments:
        migrate_library()  # nobody may have started it yet
    from django.db import DatabaseError  # noqa: PLC0415 -- as above

    try:
        run_library_command(arguments)
    except DatabaseError as error:
        raise SystemExit(f"The database cannot be read, or was never migrated: {error}") from None


def migrate_library() -> None:
    """Bring the library's database up to date; one process at a time, and nothing happens when it is."""
    run_library_command(["migrate", "--no-input", "--verbosity=0"])


def services_in_use() -> list[str]:
    """Which services' databases to bring up to date when nobody says: in production those that are in the settings.

    Raises:
        InvalidSettings
    """
    settings = _Databases.load()
    if settings.mode == "embedded":
        return list(MIGRATIONS)
    absent = {"tables"} if not settings.tables_database_url else set[str]()
    if settings.tables_database_url and not settings.library_database_url:
        absent.add("library")
    return [name for name in MIGRATIONS if name not in absent]


class _Databases(CommonSettings):
    tables_database_url: DatabaseUrl = ""


def _migrate_notifier() -> None:
    from bookwell.notifier.migrating import migrate  # noqa: PLC0415 -- needs the extra
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- the same

    migrate(NotifierSettings.load().database_url)


def _migrate_tables() -> None:
    from bookwell.tables.migrating import migrate  # noqa: PLC0415 -- as above
    from bookwell.tables.settings import TablesSettings  # noqa: PLC0415 -- the same

    migrate(TablesSettings.load().database_url)


def _migrate_logs() -> None:
    """The table of log records, where it is in another database than the library's, whose migrations make it there."""
    from bookwell.kit.adapters.sqlalchemy.log_table import ensure_log_table  # noqa: PLC0415 -- as above

    settings = CommonSettings.load()
    library = settings.library_database_url or url_of_file(settings.data_dir / "library.sqlite3")
    if settings.log_database not in {"", library}:
        ensure_log_table(settings.log_database)


MIGRATIONS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {"library": migrate_library, "logs": _migrate_logs, "notifier": _migrate_notifier, "tables": _migrate_tables}
)
"""What brings the database of a service up to date, by its name. Each needs that service's extra alone."""


@contextmanager
def _migration_lock() -> Iterator[None]:
    """Keep a second migration out: MySQL's statements about tables cannot be rolled back.

    Raises:
        SystemExit: when another one does not end in time.
    """
    from django.db import connection  # noqa: PLC0415

    if connection.vendor == "sqlite":
        with _file_lock(Path(str(connection.settings_dict["NAME"])).with_suffix(".migrating")):
            yield
        return
    holder = connection.copy()  # commands close the usual one at their end; the lock goes when this one closes
    try:
        with holder.cursor() as cursor:
            for statement in _TAKE_LOCK[connection.vendor]:
                cursor.execute(statement)
            if cursor.fetchone()[0] == 0:
                raise SystemExit("Another migration is running.")
        yield
    finally:
        holder.close()


@contextmanager
def _file_lock(file: Path) -> Iterator[None]:
    make_private_folder(file.parent)
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield

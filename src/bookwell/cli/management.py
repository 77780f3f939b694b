"""The library's management commands, from outside of Django."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["migrate_library", "migrate_logs", "migrate_notifier", "run_library_command", "set_up_library"]

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


def migrate_library() -> None:
    """Bring the library's database up to date; one process at a time, and nothing happens when it is."""
    run_library_command(["migrate", "--no-input", "--verbosity=0"])


def migrate_notifier() -> None:
    """The same for the notifier's."""
    from bookwell.notifier.migrating import migrate  # noqa: PLC0415 -- needs the extra
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- the same

    migrate(NotifierSettings.load().database_url)


def migrate_logs() -> None:
    """The same for the table of log records, where it is in another database than the library's."""
    from bookwell.kit.adapters.sqlalchemy.log_table import ensure_log_table  # noqa: PLC0415 -- as above
    from bookwell.library.config.environment import LibrarySettings  # noqa: PLC0415 -- needs the extra

    settings = LibrarySettings.load()
    if settings.log_database not in {"", settings.database_url}:
        ensure_log_table(settings.log_database)


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
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield

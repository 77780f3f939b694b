"""Which migrations a database has had, as a backup tells it, and which of them this program does not know."""

from collections.abc import Sequence
from importlib.resources import files

from sqlalchemy import Connection, inspect

from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading
from bookwell.kit.adapters.sqlalchemy.migrating import Migrations

__all__ = ["list_applied", "list_unknown"]

_OF_DJANGO = "django_migrations"


def list_applied(service: str, url: str) -> Sequence[str]:
    """The migrations that a service's database has had; of one with Alembic the last alone.

    Raises:
        SQLAlchemyError
    """
    engine = engine_of(url, connections=1)
    try:
        with reading(engine) as connection:
            return _of_library(connection) if service == "library" else _scripts_of(service).heads(connection)
    finally:
        engine.dispose()


def list_unknown(service: str, applied: Sequence[str]) -> Sequence[str]:
    """Those of them that this program lacks: a newer one made them.

    Of the library those of its own apps alone; others, and apps that it has no more, tell nothing about its age.
    """
    if service == "library":
        return [name for name in applied if not _is_known(*name.split(".", maxsplit=1))]
    known = _scripts_of(service).known()
    return [name for name in applied if name not in known]


def _is_known(app: str, name: str) -> bool:
    """By the files alone: to set Django up would make keys in the data folder."""
    folder = files("bookwell.library") / app / "migrations"
    return not folder.is_dir() or (folder / f"{name}.py").is_file()


def _of_library(connection: Connection) -> Sequence[str]:
    if not inspect(connection).has_table(_OF_DJANGO):
        return ()
    rows = connection.exec_driver_sql(f"SELECT app, name FROM {_OF_DJANGO} ORDER BY id")
    return [f"{row.app}.{row.name}" for row in rows]


def _scripts_of(service: str) -> Migrations:
    if service == "tables":
        from bookwell.tables.migrating import MIGRATIONS as OF_TABLES  # noqa: PLC0415 -- needs the extra

        return OF_TABLES
    from bookwell.notifier.migrating import MIGRATIONS  # noqa: PLC0415 -- the same

    return MIGRATIONS

"""Which migrations a service's database lacks."""

from collections.abc import Callable, Mapping, Sequence

from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from bookwell.kit.adapters.sqlalchemy.migrating import Migrations

__all__ = ["find_missing"]


def find_missing(service: str, connection: Connection) -> Sequence[str] | None:
    """The migrations to come, in their order; None where the database has some that this program does not know.

    The library's are known once Django is set up.
    """
    return _FINDERS[service](connection)


def _of_library(connection: Connection) -> Sequence[str] | None:
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415 -- Django must be set up first

    known = MigrationLoader(None)
    applied: set[tuple[str, str]] = set()
    if inspect(connection).has_table("django_migrations"):
        rows = connection.exec_driver_sql("SELECT app, name FROM django_migrations")
        applied = {(row.app, row.name) for row in rows}
    replaced = {each for migration in known.disk_migrations.values() for each in migration.replaces}
    apps = {app for app, _ in known.disk_migrations}
    if {each for each in applied if each[0] in apps} - known.disk_migrations.keys() - replaced:
        return None
    plan = [each for target in known.graph.leaf_nodes() for each in known.graph.forwards_plan(target)]
    return [f"{app} {name}" for app, name in dict.fromkeys(plan) if (app, name) not in applied]


def _of_alembic(migrations: Migrations, connection: Connection) -> Sequence[str] | None:
    try:
        return migrations.missing(connection)
    except CommandError:
        return None


def _of_notifier(connection: Connection) -> Sequence[str] | None:
    from bookwell.notifier.migrating import MIGRATIONS  # noqa: PLC0415 -- needs the extra

    return _of_alembic(MIGRATIONS, connection)


def _of_tables(connection: Connection) -> Sequence[str] | None:
    from bookwell.tables.migrating import MIGRATIONS  # noqa: PLC0415 -- needs the extra

    return _of_alembic(MIGRATIONS, connection)


_FINDERS: Mapping[str, Callable[[Connection], Sequence[str] | None]] = {
    "library": _of_library,
    "notifier": _of_notifier,
    "tables": _of_tables,
}

"""What a service on SQLAlchemy is asked before requests come to it: whether its database answers and is migrated."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, text

from bookwell.kit.health import Check

__all__ = ["MigrationsMissing", "database_checks"]


class MigrationsMissing(Exception):
    """The database's tables are older than the code."""


def database_checks(
    read: Callable[[Callable[[Connection], Any]], Any], is_up_to_date: Callable[[Connection], bool]
) -> Mapping[str, Check]:
    """The checks `database` and `migrations`, by whatever hands a connection to a reader.

    A check raises MigrationsMissing, or what the database says.
    """

    def check_database() -> None:
        read(lambda connection: connection.execute(text("SELECT 1")))

    def check_migrations() -> None:
        if not read(is_up_to_date):
            raise MigrationsMissing

    return {"database": check_database, "migrations": check_migrations}

"""What a MySQL or MariaDB database has to be before tables are made in it: compared byte by byte.

Servers' own defaults take `josé` for `jose` and `a` for `A`, in unique constraints too.
"""

from typing import Any

from django.core.checks import CheckMessage, Error
from django.db.backends.mysql import validation

__all__ = ["COLLATION", "DatabaseValidation"]

COLLATION = "utf8mb4_bin"


class DatabaseValidation(validation.DatabaseValidation):
    """Django's checks of a database, which `migrate` runs first, and that of the collation."""

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Django's hook."""
        return [*super().check(**kwargs), *self._check_default(), *self._check_tables()]

    def _check_default(self) -> list[CheckMessage]:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT @@collation_database, DATABASE()")
            collation, name = cursor.fetchone()
        if collation == COLLATION:
            return []
        hint = f"ALTER DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE {COLLATION}"
        return [Error(f"The database's collation is {collation}, not {COLLATION}.", hint=hint, id="bookwell.E001")]

    def _check_tables(self) -> list[CheckMessage]:
        ours = self.connection.introspection.django_table_names()
        with self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_name, table_collation FROM information_schema.tables "
                "WHERE table_schema = DATABASE() AND table_collation <> %s ORDER BY table_name",
                (COLLATION,),
            )
            wrong = [(name, collation) for name, collation in cursor.fetchall() if name in ours]
        return [
            Error(
                f"The collation of table {name} is {collation}, not {COLLATION}.",
                hint=f"ALTER TABLE `{name}` CONVERT TO CHARACTER SET utf8mb4 COLLATE {COLLATION}",
                id="bookwell.E002",
            )
            for name, collation in wrong
        ]

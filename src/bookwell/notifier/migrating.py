"""Brings the notifier's tables up to date; any number of processes may try at once, one does it."""

from pathlib import Path

from bookwell.kit.adapters.sqlalchemy.migrating import Migrations

__all__ = ["MIGRATIONS", "is_up_to_date", "migrate"]

MIGRATIONS = Migrations(
    scripts=Path(__file__).parent / "migrations",
    version_table="notifier_migration",
    lock="bookwell-notifier-migrations",
)
migrate = MIGRATIONS.apply
is_up_to_date = MIGRATIONS.are_applied

"""Brings the tables of the service up to date; any number of processes may try at once, one does it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bookwell.kit.adapters.sqlalchemy.engines import engine_of
from bookwell.kit.adapters.sqlalchemy.schema_lock import schema_lock

__all__ = ["is_up_to_date", "migrate"]

_SCRIPTS = Path(__file__).parent / "migrations"
VERSION_TABLE = "tables_migration"
_LOCK = "bookwell-tables-migrations"


def migrate(url: str) -> None:
    """Apply the migrations that are missing.

    Raises:
        SchemaBusy: if another process does so for too long.
    """
    engine = engine_of(url, answer_seconds=None)
    try:
        with schema_lock(engine, _LOCK) as connection:
            config = configuration()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def is_up_to_date(connection: Connection) -> bool:
    """Whether the database has the tables that this code expects."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return set(context.get_current_heads()) == set(ScriptDirectory.from_config(configuration()).get_heads())


def configuration() -> Config:
    """Alembic's configuration; there is no file of it."""
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["version_table"] = VERSION_TABLE
    return config

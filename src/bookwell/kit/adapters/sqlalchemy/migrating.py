"""Brings the tables of a service without Django up to date, by its Alembic scripts."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from bookwell.kit.adapters.sqlalchemy.engines import engine_of
from bookwell.kit.adapters.sqlalchemy.schema_lock import schema_lock

__all__ = ["Migrations"]


@dataclass(frozen=True, slots=True)
class Migrations:
    """A service's migrations: the folder of its scripts, the table that counts them, the name of their lock."""

    scripts: Path
    version_table: str
    lock: str

    def apply(self, url: str) -> None:
        """Apply those that are missing; any number of processes may try at once, one does it.

        What a newer version made is left as it is: whoever goes back to this one needs no step back of the database.

        Raises:
            SchemaBusy: if another process does so for too long.
        """
        engine = engine_of(url, answer_seconds=None)
        try:
            with schema_lock(engine, self.lock) as connection:
                is_newer = self._are_newer(self.heads(connection))
                connection.rollback()  # Alembic begins its own
                if is_newer:
                    return
                config = self.configuration()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        finally:
            engine.dispose()

    def are_applied(self, connection: Connection) -> bool:
        """Whether the database has the tables that this code expects, or those of a newer version.

        That one adds before it takes away, and servers of the version before go on while it is rolled out.
        """
        heads = self.heads(connection)
        scripts = ScriptDirectory.from_config(self.configuration())
        return set(heads) == set(scripts.get_heads()) or self._are_newer(heads)

    def heads(self, connection: Connection) -> Sequence[str]:
        """The last migration that the database has had; none of one that is new."""
        context = MigrationContext.configure(connection, opts={"version_table": self.version_table})
        return context.get_current_heads()

    def known(self) -> AbstractSet[str]:
        """Every migration of this code."""
        return {each.revision for each in ScriptDirectory.from_config(self.configuration()).walk_revisions()}

    def missing(self, connection: Connection) -> list[str]:
        """The migrations that the database lacks, in their order.

        Raises:
            CommandError: Alembic's, if the database has one that this code does not know.
        """
        scripts = ScriptDirectory.from_config(self.configuration())
        heads = scripts.get_revisions(tuple(self.heads(connection)))
        applied = {each.revision for head in heads if head for each in scripts.iterate_revisions(head.revision, "base")}
        known = reversed(list(scripts.walk_revisions()))
        return [each.revision for each in known if each.revision not in applied]

    def _are_newer(self, heads: Sequence[str]) -> bool:
        """Whether one of a database's last migrations is none of this code's."""
        return bool(set(heads) - self.known())

    def configuration(self) -> Config:
        """Alembic's configuration; there is no file of it."""
        config = Config()
        config.set_main_option("script_location", str(self.scripts).replace("%", "%%"))
        config.attributes["version_table"] = self.version_table
        return config

"""Ids that were told outside are never given again, on SQLite too: it counts on from the greatest there ever was.

Without that it counts on from the greatest that is there, and after a restore of a backup that is a former one.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = ("account", "booking", "closure", "dining_table")
_COUNTED = "id INTEGER NOT NULL"
_KEY = "PRIMARY KEY (id)"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in _TABLES:
            _rebuild(name)


def downgrade() -> None:
    """Nothing: the tables hold the same either way."""


def _rebuild(name: str) -> None:
    """Make a table again with what it holds, its indexes and triggers.

    It keeps its name throughout, and references to it are looked at when the transaction is over: then their rows are
    there again. Was it made again before (a process may have died half-way), it is left as it is.
    """
    connection = op.get_bind()
    master = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND type = :type AND sql IS NOT NULL")
    made, *_ = connection.scalars(master, {"name": name, "type": "table"})
    if "AUTOINCREMENT" in made:
        return
    beside = [
        each for kind in ("index", "trigger") for each in connection.scalars(master, {"name": name, "type": kind})
    ]
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM {name}")
    op.execute(f"DROP TABLE {name}")
    op.execute(sa.text(_counting(made).replace(":", r"\:")))
    op.execute(f"INSERT INTO {name} SELECT * FROM kept")
    op.execute("DROP TABLE kept")
    for statement in beside:
        op.execute(sa.text(statement.replace(":", r"\:")))


def _counting(made: str) -> str:
    """The statement that made a table, with an id that is counted up for good."""
    if made.count(_COUNTED) != 1 or made.count(_KEY) != 1:
        raise ValueError(f"a table that nobody knows: {made}")
    before, _, after = made.partition(_KEY)
    return (before + after.lstrip().removeprefix(",").lstrip()).replace(
        _COUNTED, f"{_COUNTED} PRIMARY KEY AUTOINCREMENT"
    )

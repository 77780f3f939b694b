"""The number that a table's next row is going to have, for whoever writes about the row before it is there.

PostgreSQL takes it from the column's sequence, and never gives it again. On SQLite it is the one that the table would
give, and nobody else's until the transaction that asked ends: one of `engines.writing`.
"""

from typing import Any

from sqlalchemy import BigInteger, Table, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["next_id"]

_COUNTED = (
    "1 + max(coalesce((SELECT max(id) FROM {table}), 0),"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0))"
)


class next_id(FunctionElement[int]):  # noqa: N801 -- written like a function of the database
    """The next `id` of a table; a table that never gives one again keeps its greatest in `sqlite_sequence`."""

    type = BigInteger()
    inherit_cache = True

    def __init__(self, table: Table) -> None:
        super().__init__(literal_column(table.name))


@compiles(next_id, "sqlite")
def _on_sqlite(element: next_id, compiler: Any, **options: Any) -> str:
    return _COUNTED.format(table=compiler.process(element.clauses, **options))


@compiles(next_id, "postgresql")
def _on_postgresql(element: next_id, compiler: Any, **options: Any) -> str:
    return f"nextval('{compiler.process(element.clauses, **options)}_id_seq')"

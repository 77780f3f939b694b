"""What every table of the service's database is declared in."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table

from bookwell.kit.adapters.sqlalchemy.idempotency import idempotency_columns

__all__ = ["id_column", "idempotency_key", "metadata"]

metadata = MetaData()


def id_column() -> Column[Any]:
    """A key that the database counts up.

    Where it is told outside, its table says `sqlite_autoincrement`: SQLite gives it again otherwise.
    """
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


idempotency_key = Table("idempotency_key", metadata, *idempotency_columns(), Index("idempotency_key_age", "created_at"))

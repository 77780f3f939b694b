"""What every table of the service's database is declared in."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData

__all__ = ["id_column", "metadata"]

metadata = MetaData()


def id_column() -> Column[Any]:
    """A key that the database counts up."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)

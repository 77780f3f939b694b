"""Row locks of the floor: the restaurant before tables, tables in the order of their ids."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.tables.floor.models import dining_table, restaurant

__all__ = ["lock_all_tables", "lock_restaurant", "lock_tables", "share_table"]

_SHARED = Statement(
    select(dining_table.c.id).where(dining_table.c.id == bindparam("table_id")).with_for_update(read=True)
)


def lock_restaurant(connection: Connection) -> None:
    """Nobody else changes settings, adds tables or closes the restaurant meanwhile."""
    connection.execute(select(restaurant.c.id).where(restaurant.c.id == 1).with_for_update())


def lock_tables(connection: Connection, table_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Nobody else books, closes or changes these tables meanwhile; those that do not exist are missing."""
    chosen = select(dining_table).where(dining_table.c.id.in_(sorted(set(table_ids))))
    return {row.id: row for row in connection.execute(chosen.order_by(dining_table.c.id).with_for_update())}


def lock_all_tables(connection: Connection) -> dict[int, Row[Any]]:
    """All that are in use."""
    chosen = select(dining_table).where(dining_table.c.retired_at.is_(None)).order_by(dining_table.c.id)
    return {row.id: row for row in connection.execute(chosen.with_for_update())}


def share_table(connection: Connection, table_id: int) -> None:
    """Others may share it; nobody closes or changes the table meanwhile: whatever is asked next, is behind the lock."""
    send_later(connection, _SHARED(table_id=table_id))

"""Taking closures back, for good or for some time. The tables are locked by whoever calls."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, update

from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.tables.floor.models import closure, occupancy
from bookwell.tables.floor.rules import Period, without
from bookwell.tables.floor.services.occupying import close_in_tx

__all__ = ["open_in_tx"]


def open_in_tx(
    connection: Connection,
    *,
    closures: Sequence[Any],
    table_ids: Sequence[int],
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    reason: str,
    actor: str,
    now: dt.datetime,
) -> None:
    """Take back what closures of these tables have of a period; what is left of each, and not over, stands on."""
    ids = [row.id for row in closures]
    told = {"opened_at": milliseconds(now), "opened_by": actor, "opened_reason": reason}
    connection.execute(update(closure).where(closure.c.id.in_(ids)).values(told))
    connection.execute(delete(occupancy).where(occupancy.c.closure_id.in_(ids)))
    for row in closures:
        for piece in without((row.starts_at, row.ends_at), [(milliseconds(starts_at), milliseconds(ends_at))]):
            if piece[1] > milliseconds(now):
                _keep(connection, row, table_ids, piece, now)


def _keep(connection: Connection, row: Any, table_ids: Sequence[int], piece: Period, now: dt.datetime) -> None:
    starts_at, ends_at = (instant_at(moment) for moment in piece)
    close_in_tx(
        connection,
        table_ids=table_ids,
        is_restaurant=row.table_id is None,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=row.reason,
        actor=row.actor,
        now=now,
    )

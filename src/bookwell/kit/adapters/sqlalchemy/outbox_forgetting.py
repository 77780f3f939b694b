"""Keeps the table `outbox` small."""

import datetime as dt

from sqlalchemy import Connection, MetaData, Table, delete, or_, select

from bookwell.kit.adapters.sqlalchemy.outbox import outbox_columns
from bookwell.kit.outbox.rules import KEEP_DEAD, milliseconds

__all__ = ["forget_told_in_tx"]

_AT_ONCE = 1000

_table = Table("outbox", MetaData(), *outbox_columns())
_row = _table.c


def forget_told_in_tx(connection: Connection, *, now: dt.datetime, keep: dt.timedelta) -> int:
    """Delete messages that were told longer than `keep` ago, a bounded number at a time: how many.

    Dead ones, which nobody was told, are kept `KEEP_DEAD` at least.
    """
    told, dead = milliseconds(now - keep), milliseconds(now - max(keep, KEEP_DEAD))
    over = select(_row.id).where(_row.done_at < told, or_(_row.error == "", _row.done_at < dead))
    ids = list(connection.scalars(over.order_by(_row.done_at).limit(_AT_ONCE)))
    if ids:
        connection.execute(delete(_table).where(_row.id.in_(ids)))
    return len(ids)

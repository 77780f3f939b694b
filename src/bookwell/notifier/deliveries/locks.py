"""Every row lock of the notifier. A claim skips what others hold; the rest waits, and holds one row at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from bookwell.notifier.deliveries.models import delivery, endpoint, pace

__all__ = ["lock_delivery", "lock_endpoint", "lock_free_deliveries", "lock_pace"]


def lock_free_deliveries(
    connection: Connection, ids: Sequence[str], *conditions: ColumnElement[bool], limit: int
) -> Sequence[Row[Any]]:
    """Up to `limit` of these rows that nobody holds and that still meet the conditions."""
    free = select(delivery).where(delivery.c.id.in_(ids), *conditions).limit(limit).with_for_update(skip_locked=True)
    return connection.execute(free).all()


def lock_delivery(connection: Connection, delivery_id: str) -> Row[Any] | None:
    """One row."""
    return connection.execute(select(delivery).where(delivery.c.id == delivery_id).with_for_update()).one_or_none()


def lock_endpoint(connection: Connection, name: str) -> bool:
    """The row of an endpoint that is disabled; whether there is one."""
    mine = select(endpoint.c.name).where(endpoint.c.name == name).with_for_update()
    return connection.scalar(mine) is not None


def lock_pace(connection: Connection, channel: str) -> int:
    """When the channel's next message may leave, in milliseconds since 1970."""
    mine = select(pace.c.free_at).where(pace.c.channel == channel)
    free_at = connection.scalar(mine.with_for_update())
    if free_at is None:
        connection.execute(insert(pace).values(channel=channel, free_at=0))
        return 0
    return int(free_at)

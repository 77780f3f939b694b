"""Reads of the back office: the feed of events."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, exists, select

from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.backoffice.errors import CursorForgotten, CursorUnknown
from bookwell.tables.backoffice.rules import cursor_of, position_of
from bookwell.tables.bookings.models import feed_event, feed_head

__all__ = ["FeedItem", "FeedPage", "has_unplaced", "read_feed"]


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One event; `id` is the `webhook-id` of the same event's webhook."""

    id: str
    type: str
    timestamp: dt.datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events behind a cursor, and the cursor behind them: the same again when there are none."""

    items: Sequence[FeedItem]
    next: str


def has_unplaced(connection: Connection) -> bool:
    """Whether events were written that have no place in the feed yet."""
    return bool(connection.scalar(select(exists().where(feed_event.c.position.is_(None)))))


def read_feed(connection: Connection, *, after: str, limit: int) -> FeedPage:
    """Events in their places behind a cursor, the oldest first; without one from the oldest that is kept.

    Raises:
        CursorUnknown: for a cursor that this feed never gave.
        CursorForgotten: if events behind it are not kept any more.
    """
    head = connection.execute(select(feed_head)).one()
    position = position_of(after) if after else head.forgotten
    if position > head.position:
        raise CursorUnknown
    if position < head.forgotten:
        raise CursorForgotten
    chosen = select(feed_event).where(feed_event.c.position > position).order_by(feed_event.c.position).limit(limit)
    rows = connection.execute(chosen).all()
    forgotten = connection.execute(select(feed_head.c.forgotten)).scalar_one()  # maybe since the head was read
    if after and position < forgotten:
        raise CursorForgotten
    items = [FeedItem(row.event_id, row.type, instant_at(row.at), json.loads(row.data)) for row in rows]
    return FeedPage(items, cursor_of(rows[-1].position if rows else position))

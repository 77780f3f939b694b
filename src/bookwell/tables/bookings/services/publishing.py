"""What the back office learns of bookings: every version is one event.

It is a row of the feed and, where a back office is called, a webhook in the outbox. Rows of the feed get their places
when somebody asks, in one line behind a lock: what a transaction wrote that commits late stands behind what was read
before it, and is never skipped.
"""

import datetime as dt
import json
from collections.abc import Collection
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection, delete, func, insert, select, update

from bookwell.contracts.backoffice import BookedTable, BookingEvent
from bookwell.contracts.webhooks import WebhookMessage
from bookwell.kit import ids
from bookwell.kit.adapters.sqlalchemy.outbox_writing import append_in_tx
from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.outbox import OutgoingMessage
from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.tables.bookings.locks import lock_feed
from bookwell.tables.bookings.models import feed_event, feed_head, outbox
from bookwell.tables.bookings.rules import Actor

__all__ = [
    "CALLED",
    "WEBHOOKS",
    "forget_calls_in_tx",
    "forget_events",
    "forget_feed_in_tx",
    "place_events",
    "publish_in_tx",
]

CALLED = "bookwell_backoffice"
"""The connection's option that names the endpoint of the back office which is called; nobody is without it."""

WEBHOOKS = "webhook"
"""The outbox's queue of calls."""

_WHAT = {"ordered": "requested", "set": "confirmed", "moved": "changed"}
# Bytes of JSON in ASCII. What people wrote is cut there, so that a body stays under 20 kB whatever it was.
_ROOM = {"name": 2_500, "email": 2_000, "phone": 200, "comment": 6_000, "reason": 4_000}
_LONGEST_CHARACTER = len(json.dumps("😀")) - 2
_PERSONAL = ("name", "email", "phone", "comment", "reason")
_AT_ONCE = 1000
_EVENT = Statement(insert(feed_event).inline())


def publish_in_tx(connection: Connection, booked: Any, *, action: str, actor: Actor, now: dt.datetime) -> None:
    """Write the event of a booking's new version."""
    kind = f"booking.{_WHAT.get(action, action)}"
    event = _event_of(booked, actor)
    event_id = ids.new_id()
    version = {"booking_id": booked.id, "version": booked.version}
    told = {"event_id": event_id, "type": kind, "at": milliseconds(now), "data": event.model_dump_json()}
    send_later(connection, _EVENT(**version, **told))
    endpoint = connection.get_execution_options().get(CALLED, "")
    if endpoint:
        message = OutgoingMessage(
            queue=WEBHOOKS,
            type=kind,
            aggregate=f"booking:{booked.id}",
            aggregate_version=booked.version,
            payload=WebhookMessage(endpoint=endpoint, data=event.model_dump(mode="json")).model_dump(),
            event_id=event_id,
        )
        append_in_tx(connection, [message], now=now)


def place_events(connection: Connection, *, limit: int = _AT_ONCE) -> int:
    """Give events that were committed since the last time their places, in the order they were written; how many.

    A booking's versions come in their order: each was written after the one before it was committed.
    """
    head = lock_feed(connection)
    fresh = select(feed_event.c.id).where(feed_event.c.position.is_(None)).order_by(feed_event.c.id).limit(limit)
    first = fresh.subquery()
    chosen = select(first.c.id, func.row_number().over(order_by=first.c.id).label("place")).subquery()
    placed = update(feed_event).where(feed_event.c.id == chosen.c.id).values(position=head.position + chosen.c.place)
    count = connection.execute(placed).rowcount
    if count:
        connection.execute(update(feed_head).values(position=head.position + count))
    return count


def forget_events(connection: Connection, *, before: dt.datetime, limit: int = _AT_ONCE) -> int:
    """Delete events older than an instant; answers how many were handled, a bounded number at a time.

    They get places first, so that who comes back for them is told that they are gone.
    """
    placed = place_events(connection, limit=limit)
    if placed == limit:
        return placed
    head = lock_feed(connection)
    kept = select(feed_event.c.position).where(
        feed_event.c.position.is_not(None), feed_event.c.at >= milliseconds(before)
    )
    first_kept = connection.scalar(kept.order_by(feed_event.c.position).limit(1))
    last = head.position if first_kept is None else first_kept - 1
    old = select(feed_event.c.position).where(feed_event.c.position <= last).order_by(feed_event.c.position)
    # The places that a restore skips are passed over at once.
    last = connection.scalar(old.offset(limit - 1).limit(1)) or last
    count = connection.execute(delete(feed_event).where(feed_event.c.position <= last)).rowcount
    connection.execute(update(feed_head).values(forgotten=max(last, head.forgotten)))
    return count


def forget_feed_in_tx(connection: Connection, booking_ids: Collection[int]) -> int:
    """Clear what the events of these bookings say of their guests; answers how many events there are of them."""
    chosen = select(feed_event.c.id, feed_event.c.data).where(feed_event.c.booking_id.in_(sorted(booking_ids)))
    rows = connection.execute(chosen).all()
    for row in rows:
        cleared = json.loads(row.data) | dict.fromkeys(_PERSONAL, "")
        changed = update(feed_event).where(feed_event.c.id == row.id)
        connection.execute(changed.values(data=to_json(cleared).decode()))
    return len(rows)


def forget_calls_in_tx(connection: Connection, booking_id: int) -> None:
    """Clear what webhooks that wait say of a booking's guest; what has happened is still told."""
    waiting = (outbox.c.aggregate == f"booking:{booking_id}", outbox.c.queue == WEBHOOKS, outbox.c.done_at.is_(None))
    for row in connection.execute(select(outbox.c.id, outbox.c.payload).where(*waiting)).all():
        said = json.loads(row.payload)
        cleared = said | {"data": said["data"] | dict.fromkeys(_PERSONAL, "")}
        changed = update(outbox).where(outbox.c.id == row.id)
        connection.execute(changed.values(payload=to_json(cleared).decode()))


def _event_of(booked: Any, actor: Actor) -> BookingEvent:
    table = {"id": booked.table_id, "name": booked.table_name, "seats": booked.table_seats}
    written = {name: _cut(getattr(booked, name), room) for name, room in _ROOM.items()}
    return BookingEvent(
        booking_id=booked.id,
        version=booked.version,
        state=booked.state,
        table=BookedTable(table_type=booked.table_type, **table),
        starts_at=instant_at(booked.starts_at),
        ends_at=instant_at(booked.ends_at),
        time_zone=booked.time_zone,
        party_size=booked.party_size,
        price=booked.price / 100,
        decide_by=None if booked.decide_by is None else instant_at(booked.decide_by),
        slot_taken=booked.slot_taken,
        by=actor.kind,
        **written,
    )


def _cut(text: str, room: int) -> str:
    """As much of a text as fits, with an ellipsis where something is left out."""
    if len(text) * _LONGEST_CHARACTER + 2 <= room or len(json.dumps(text)) <= room:
        return text
    left = room - len(json.dumps("…"))
    kept = []
    for character in text:
        left -= len(json.dumps(character)) - 2
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"

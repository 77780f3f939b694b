"""Reads of deliveries."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, func, select, true, tuple_
from sqlalchemy.sql import or_

from bookwell.kit.errors import NotFound
from bookwell.kit.ids import is_id
from bookwell.kit.pages import Position
from bookwell.notifier.db import instant_of, milliseconds
from bookwell.notifier.deliveries.models import attempt, delivery, endpoint
from bookwell.notifier.deliveries.rules import INDEPENDENT, MOVING, WEBHOOK, DeliveryState

__all__ = [
    "Attempt",
    "Delivery",
    "DeliveryNotFound",
    "Endpoint",
    "Filter",
    "count_by_state",
    "find_disabled_endpoints",
    "find_existing_keys",
    "find_oldest_queued",
    "get_delivery",
    "is_due",
    "list_attempts",
    "list_candidates",
    "list_deliveries",
    "list_endpoints",
]

_earlier = delivery.alias("earlier")


class DeliveryNotFound(NotFound):
    """There is no such delivery."""

    code = "delivery.not_found"
    title = "No such delivery"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt and what the server said; `code` 0 means that it said nothing."""

    number: int
    began_at: dt.datetime
    ended_at: dt.datetime
    outcome: str
    code: int
    answer: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery for people to see: neither its address nor what it says."""

    id: str
    event_id: str
    source: str
    type: str
    aggregate: str
    aggregate_version: int
    recipient: str
    channel: str
    state: DeliveryState
    reason: str
    attempts: int
    created_at: dt.datetime
    next_attempt_at: dt.datetime | None
    ended_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint that needs somebody: `disabled_at` when it said it is gone, and its dead letters."""

    name: str
    disabled_at: dt.datetime | None
    dead_letters: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries a list holds; empty members admit all."""

    state: str = ""
    event_id: str = ""
    recipient: str = ""
    aggregate: str = ""
    channel: str = ""

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a WHERE."""
        wanted = {"state": self.state, "event_id": self.event_id, "recipient": self.recipient}
        wanted |= {"aggregate": self.aggregate, "channel": self.channel}
        return [delivery.c[name] == value for name, value in wanted.items() if value]


def is_due(now: dt.datetime) -> ColumnElement[bool]:
    """Its next attempt is due; of one that is being sent: its sender's lease is over."""
    return and_(delivery.c.state.in_(MOVING), delivery.c.next_attempt_at <= milliseconds(now))


def list_candidates(
    connection: Connection,
    *,
    now: dt.datetime,
    limit: int,
    channel: str,
    event_ids: Collection[str] = (),
    aggregates: Collection[tuple[str, str]] = (),
) -> list[str]:
    """Ids of a channel's deliveries that may be sent now.

    Of these events or (source, aggregate)s alone where any are given.

    Without locks: that none is before it in its aggregate stays true, because messages come in in their order.
    """
    chosen: ColumnElement[bool] = true()
    if event_ids:
        chosen = delivery.c.event_id.in_(event_ids)
    elif aggregates:
        chosen = tuple_(delivery.c.source, delivery.c.aggregate).in_(aggregates)
    found: list[str] = []
    for state in MOVING:  # one at a time: the index then gives the rows in order, and the limit ends the search
        due = select(delivery.c.id).where(
            delivery.c.state == state,
            delivery.c.next_attempt_at <= milliseconds(now),
            delivery.c.channel == channel,
            chosen,
            or_(delivery.c.type.in_(INDEPENDENT), ~_is_held_up(now)),
        )
        found += connection.scalars(due.order_by(delivery.c.next_attempt_at).limit(limit))
    return found


def find_existing_keys(connection: Connection, event_ids: Collection[str]) -> set[tuple[str, str, str, int]]:
    """(event, recipient, channel, template version) of the deliveries that these events have already."""
    columns = (delivery.c.event_id, delivery.c.recipient, delivery.c.channel, delivery.c.template_version)
    rows = connection.execute(select(*columns).where(delivery.c.event_id.in_(event_ids)))
    return {(row[0], row[1], row[2], row[3]) for row in rows}


def find_disabled_endpoints(connection: Connection, names: Collection[str]) -> set[str]:
    """Those of these webhook endpoints that said they are gone."""
    return set(connection.scalars(select(endpoint.c.name).where(endpoint.c.name.in_(names))))


def list_endpoints(connection: Connection) -> list[Endpoint]:
    """Webhook endpoints that are disabled or have dead letters, by name."""
    dead = select(delivery.c.address, func.count().label("dead")).where(
        delivery.c.channel == WEBHOOK, delivery.c.state == DeliveryState.FAILED.value, delivery.c.notice != ""
    )
    dead_of = {row.address: row.dead for row in connection.execute(dead.group_by(delivery.c.address))}
    disabled_of = {row.name: instant_of(row.disabled_at) for row in connection.execute(select(endpoint))}
    return [
        Endpoint(name, disabled_of.get(name), dead_of.get(name, 0)) for name in sorted(dead_of.keys() | disabled_of)
    ]


def get_delivery(connection: Connection, delivery_id: str) -> Delivery:
    """One delivery.

    Raises:
        DeliveryNotFound
    """
    if not is_id(delivery_id):
        raise DeliveryNotFound
    row = connection.execute(select(delivery).where(delivery.c.id == delivery_id)).one_or_none()
    if row is None:
        raise DeliveryNotFound
    return _delivery_of(row)


def list_attempts(connection: Connection, delivery_id: str) -> list[Attempt]:
    """A delivery's attempts, first to last. A number that is missing belonged to a sender that died."""
    mine = select(attempt).where(attempt.c.delivery_id == delivery_id).order_by(attempt.c.number)
    return [
        Attempt(row.number, instant_of(row.began_at), instant_of(row.ended_at), row.outcome, row.code, row.answer)
        for row in connection.execute(mine)
    ]


def list_deliveries(connection: Connection, wanted: Filter, *, position: Position, limit: int) -> list[Delivery]:
    """Deliveries behind a position (`created_at` in milliseconds, `id`), newest first; going back, oldest first."""
    created_at, delivery_id = delivery.c.created_at, delivery.c.id
    chosen = select(delivery).where(*wanted.conditions())
    if position.key is not None:
        at, edge = position.key
        if position.is_backward:
            chosen = chosen.where(or_(created_at > at, and_(created_at == at, delivery_id > edge)))
        else:
            chosen = chosen.where(or_(created_at < at, and_(created_at == at, delivery_id < edge)))
    order = [created_at, delivery_id] if position.is_backward else [created_at.desc(), delivery_id.desc()]
    return [_delivery_of(row) for row in connection.execute(chosen.order_by(*order).limit(limit))]


def count_by_state(connection: Connection) -> dict[DeliveryState, int]:
    """How many deliveries are in each state."""
    counted = dict.fromkeys(DeliveryState, 0)
    for state, number in connection.execute(select(delivery.c.state, func.count()).group_by(delivery.c.state)):
        counted[DeliveryState(state)] = number
    return counted


def find_oldest_queued(connection: Connection) -> dt.datetime | None:
    """When the oldest event happened that somebody still waits to hear of."""
    oldest = connection.scalar(select(func.min(delivery.c.created_at)).where(delivery.c.state.in_(MOVING)))
    return None if oldest is None else instant_of(oldest)


def _is_held_up(now: dt.datetime) -> ColumnElement[bool]:
    """The same address has yet to hear something earlier about the same thing; what comes too late holds up nothing."""
    return exists().where(
        _earlier.c.source == delivery.c.source,
        _earlier.c.aggregate == delivery.c.aggregate,
        _earlier.c.aggregate_version < delivery.c.aggregate_version,
        _earlier.c.channel == delivery.c.channel,
        _earlier.c.address == delivery.c.address,
        _earlier.c.state.in_(MOVING),
        or_(
            _earlier.c.state == DeliveryState.SENDING.value,
            _earlier.c.expires_at.is_(None),
            _earlier.c.expires_at > milliseconds(now),
        ),
    )


def _delivery_of(row: Row[Any]) -> Delivery:
    state = DeliveryState(row.state)
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        source=row.source,
        type=row.type,
        aggregate=row.aggregate,
        aggregate_version=row.aggregate_version,
        recipient=row.recipient,
        channel=row.channel,
        state=state,
        reason=row.reason,
        attempts=row.attempts,
        created_at=instant_of(row.created_at),
        next_attempt_at=instant_of(row.next_attempt_at) if state in MOVING else None,
        ended_at=None if row.ended_at is None else instant_of(row.ended_at),
    )

"""A person whom the source has forgotten is forgotten here, and gets nothing any more.

A mark stays behind, as a delivery that goes to nobody: a message about the person may still be under way in the broker.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, insert, or_, select, tuple_, update

from bookwell.contracts.messages import PERSON_FORGOTTEN, ChannelName, Envelope, PersonForgotten
from bookwell.kit import ids
from bookwell.kit.messaging import Poison
from bookwell.notifier.db import milliseconds
from bookwell.notifier.deliveries.models import attempt, delivery
from bookwell.notifier.deliveries.rules import DeliveryState
from bookwell.notifier.deliveries.services.take_in import VersionUnknown

__all__ = ["BeingSent", "forget_person_in_tx", "suppress_forgotten"]

_KNOWN_VERSION = 1
_AT_ONCE = 500
_FORGOTTEN = "forgotten"
_LONGEST_REFERENCE = 64


class BeingSent(Exception):
    """A message is just being handed over, or is still to tell others: the rest is forgotten a little later."""


def forget_person_in_tx(connection: Connection, envelope: Envelope, *, now: dt.datetime) -> tuple[list[str], int]:
    """Suppress what is queued for a person, and empty what was sent; the ids, and how many are still under way.

    What is to tell others of the person is sent first, and then emptied as well.

    Raises:
        Poison: if the message names nobody.
        VersionUnknown: if newer code has written it.
    """
    order = _order_of(envelope)
    _mark(connection, envelope, order.reference, now)
    is_theirs = delivery.c.recipient == order.reference
    tells_of_them = or_(is_theirs, delivery.c.aggregate.in_(order.about)) if order.about else is_theirs
    columns = (delivery.c.id, delivery.c.state, delivery.c.recipient)
    rows = connection.execute(select(*columns).where(delivery.c.source == envelope.source, tells_of_them)).all()
    moving = {row.id for row in rows if _is_to_go_on(row, order.reference)}
    others = [row.id for row in rows if row.id not in moving]
    for start in range(0, len(others), _AT_ONCE):
        _empty(connection, others[start : start + _AT_ONCE], now)
    return others, len(moving)


def suppress_forgotten(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows to be inserted, of which those to forgotten people say nothing and go nowhere."""
    people = {(row["source"], row["recipient"]) for row in rows}
    # The mark's aggregate is the person: there is an index.
    marks = select(delivery.c.source, delivery.c.aggregate).where(
        tuple_(delivery.c.source, delivery.c.aggregate).in_(sorted(people)), delivery.c.type == PERSON_FORGOTTEN
    )
    forgotten = {(source, person) for source, person in connection.execute(marks)} if people else set()
    return [
        row | _nothing() | {"state": DeliveryState.SUPPRESSED.value, "ended_at": row["next_attempt_at"]}
        if (row["source"], row["recipient"]) in forgotten
        else row
        for row in rows
    ]


def _is_to_go_on(row: Any, person: str) -> bool:
    """Nobody else misses a message because a person is forgotten."""
    state = DeliveryState(row.state)
    return state is DeliveryState.SENDING or (state is DeliveryState.QUEUED and row.recipient != person)


def _order_of(envelope: Envelope) -> PersonForgotten:
    if envelope.version != _KNOWN_VERSION:
        raise VersionUnknown(f"{envelope.type} in version {envelope.version}")
    try:
        order = PersonForgotten.model_validate(envelope.payload)
    except ValidationError:
        raise Poison(f"{envelope.type}: names nobody") from None
    if not all(name.isprintable() and 0 < len(name) <= _LONGEST_REFERENCE for name in (order.reference, *order.about)):
        raise Poison(f"{envelope.type}: names nobody")
    return order


def _mark(connection: Connection, envelope: Envelope, person: str, now: dt.datetime) -> None:
    known = select(delivery.c.id).where(delivery.c.event_id == envelope.event_id)
    if connection.execute(known).first() is not None:
        return
    mark = {
        "id": ids.new_id(),
        "event_id": envelope.event_id,
        "source": envelope.source,
        "type": PERSON_FORGOTTEN,
        "aggregate": person,
        "aggregate_version": envelope.aggregate_version,
        "recipient": person,
        "channel": ChannelName.EMAIL.value,
        "template_version": _KNOWN_VERSION,
        "state": DeliveryState.SUPPRESSED.value,
        "attempts": 0,
        "attempts_allowed": 0,
        "created_at": envelope.created_at,
        "next_attempt_at": milliseconds(now),
        "ended_at": milliseconds(now),
    }
    connection.execute(insert(delivery).values(**mark, **_nothing()))


def _empty(connection: Connection, chosen: Sequence[str], now: dt.datetime) -> None:
    queued = (delivery.c.id.in_(chosen), delivery.c.state == DeliveryState.QUEUED.value)
    suppressed = {"state": DeliveryState.SUPPRESSED.value, "ended_at": milliseconds(now)}
    connection.execute(update(delivery).where(*queued).values(suppressed))
    ended = (delivery.c.id.in_(chosen), delivery.c.state != DeliveryState.SENDING.value)
    connection.execute(update(delivery).where(*ended).values(_nothing()))
    connection.execute(update(attempt).where(attempt.c.delivery_id.in_(chosen)).values(answer=_FORGOTTEN))


def _nothing() -> dict[str, str]:
    return {"address": "", "notice": "", "reason": ""}

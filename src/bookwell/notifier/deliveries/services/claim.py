"""Deliveries are claimed for sending: leased to one sender, within the channel's pace."""

import datetime as dt
import math
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, Row, bindparam, update

from bookwell.notifier.db import milliseconds
from bookwell.notifier.deliveries.locks import lock_free_deliveries, lock_pace
from bookwell.notifier.deliveries.models import delivery, pace
from bookwell.notifier.deliveries.queries import is_due, list_candidates
from bookwell.notifier.deliveries.rules import DeliveryState

__all__ = ["Claim", "Claimed", "Wanted", "claim_in_tx", "put_back_in_tx"]

_AHEAD = dt.timedelta(seconds=1)
_CLOCKS_DIFFER = dt.timedelta(minutes=1)  # of two machines, at most
_CHOICE = 5  # times as many candidates as wanted, chosen from at random: senders at once then seldom meet

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a sender asks for: up to `limit` deliveries of a channel.

    Of these events or (source, aggregate)s where any are given. `per_second` is the pace of all senders of the channel
    together; 0 knows no limit.
    """

    channel: str
    limit: int
    lease: dt.timedelta
    event_ids: Collection[str] = ()
    aggregates: Collection[tuple[str, str]] = ()
    per_second: float = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is this sender's until its lease ends. `number` is this attempt's, and marks the claim."""

    id: str
    event_id: str
    source: str
    type: str
    aggregate: str
    aggregate_version: int
    channel: str
    address: str
    notice: str
    number: int
    attempts_allowed: int
    created_at: int
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sender got. The n-th may leave n × `interval` seconds after `starts_at`; `is_paced_out`: come later."""

    deliveries: list[Claimed]
    starts_at: dt.datetime
    interval: float = 0
    is_paced_out: bool = False
    ended: int = 0


def claim_in_tx(connection: Connection, wanted: Wanted, *, now: dt.datetime) -> Claim:
    """Lease deliveries that are due; those that are too late or were tried too often end here instead.

    One whose last sender never told is leased alone: if it is what killed that sender, it takes no other with it again.
    """
    candidates = list_candidates(
        connection,
        now=now,
        limit=wanted.limit * _CHOICE,
        channel=wanted.channel,
        event_ids=wanted.event_ids,
        aggregates=wanted.aggregates,
    )
    if not candidates:
        return Claim([], now)
    free_at, limit = _room(connection, wanted, now)
    if limit <= 0:
        return Claim([], now, is_paced_out=True)
    chosen = candidates if len(candidates) <= limit else _some_of(candidates, limit * 2)
    rows = lock_free_deliveries(connection, chosen, is_due(now), limit=limit)
    late = [row for row in rows if row.expires_at is not None and row.expires_at <= milliseconds(now)]
    spent = [row for row in rows if row not in late and row.attempts >= row.attempts_allowed]
    ours = _without_company([row for row in rows if row not in late and row not in spent])
    _end(connection, late, DeliveryState.EXPIRED, "it would have come too late", now)
    _end(connection, spent, DeliveryState.FAILED, "given up: no sender lived to tell", now)
    _lease(connection, ours, now + wanted.lease)
    interval = _take_room(connection, wanted, free_at, len(ours), now)
    starts_at = max(free_at, now) if free_at else now
    return Claim([_claimed_of(row) for row in ours], starts_at, interval, ended=len(late) + len(spent))


def put_back_in_tx(connection: Connection, claims: Sequence[Claimed], *, until: dt.datetime) -> None:
    """Give claims back that were not tried; the attempt does not count."""
    if not claims:
        return
    back = (
        update(delivery)
        .where(
            delivery.c.id == bindparam("claim_id"),
            delivery.c.state == DeliveryState.SENDING.value,
            delivery.c.attempts == bindparam("claim_number"),
        )
        .values(state=DeliveryState.QUEUED.value, attempts=delivery.c.attempts - 1, next_attempt_at=milliseconds(until))
    )
    connection.execute(back, [{"claim_id": claim.id, "claim_number": claim.number} for claim in claims])


def _without_company(rows: list[Row[Any]]) -> list[Row[Any]]:
    """Orphans one by one; first the one whose lease ended first, so that a killer does not go before them each time."""
    orphans = [row for row in rows if row.state == DeliveryState.SENDING.value]
    return [min(orphans, key=lambda row: row.next_attempt_at)] if orphans else rows


def _some_of(candidates: list[str], number: int) -> list[str]:
    return secrets.SystemRandom().sample(candidates, min(number, len(candidates)))


def _room(connection: Connection, wanted: Wanted, now: dt.datetime) -> tuple[dt.datetime | None, int]:
    """From when the channel is free, and how many may leave within the next second."""
    if not wanted.per_second:
        return None, wanted.limit
    free_at = dt.datetime.fromtimestamp(lock_pace(connection, wanted.channel) / 1000, tz=dt.UTC)
    longest = _CLOCKS_DIFFER + _AHEAD + dt.timedelta(seconds=1 / wanted.per_second)
    # Nobody takes more room ahead than that: whoever did had a clock that has been set back since.
    if not now <= free_at <= now + longest:
        free_at = now
    room = math.floor((now + _AHEAD - free_at).total_seconds() * wanted.per_second)
    if free_at == now:
        room = max(room, 1)  # slower than one a second
    return free_at, min(wanted.limit, room)


def _take_room(
    connection: Connection, wanted: Wanted, free_at: dt.datetime | None, number: int, now: dt.datetime
) -> float:
    if free_at is None or not number:
        return 0
    interval = 1 / wanted.per_second
    taken_until = max(free_at, now) + dt.timedelta(seconds=number * interval)
    connection.execute(
        update(pace).where(pace.c.channel == wanted.channel).values(free_at=math.ceil(taken_until.timestamp() * 1000))
    )
    return interval


def _lease(connection: Connection, rows: Sequence[Row[Any]], until: dt.datetime) -> None:
    if rows:
        changes = {
            "state": DeliveryState.SENDING.value,
            "attempts": delivery.c.attempts + 1,
            "next_attempt_at": milliseconds(until),
        }
        connection.execute(update(delivery).where(delivery.c.id.in_([row.id for row in rows])).values(changes))


def _end(connection: Connection, rows: Sequence[Row[Any]], state: DeliveryState, reason: str, now: dt.datetime) -> None:
    if not rows:
        return
    ids = [row.id for row in rows]
    changes = {"state": state.value, "reason": reason, "ended_at": milliseconds(now)}
    connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(changes))
    _log.warning(f"deliveries.{state.value}", delivery_ids=ids)


def _claimed_of(row: Row[Any]) -> Claimed:
    return Claimed(
        id=row.id,
        event_id=row.event_id,
        source=row.source,
        type=row.type,
        aggregate=row.aggregate,
        aggregate_version=row.aggregate_version,
        channel=row.channel,
        address=row.address,
        notice=row.notice,
        number=row.attempts + 1,
        attempts_allowed=row.attempts_allowed,
        created_at=row.created_at,
        traceparent=row.traceparent,
    )

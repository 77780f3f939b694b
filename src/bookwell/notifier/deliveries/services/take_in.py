"""Messages come in: what a notice becomes for whom, decided once and kept as rows."""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, insert

from bookwell.contracts.messages import NOTICES, Envelope, Notice
from bookwell.kit import ids
from bookwell.kit.messaging import Poison
from bookwell.notifier.db import milliseconds
from bookwell.notifier.deliveries.models import delivery
from bookwell.notifier.deliveries.queries import find_existing_keys
from bookwell.notifier.deliveries.rules import MAX_ATTEMPTS, DeliveryState, plan_delivery

__all__ = ["VersionUnknown", "prepare_deliveries", "take_in_in_tx"]

_KNOWN_VERSION = 1
# MySQL's TEXT holds 65 535 bytes.
_LONGEST_NOTICE = 60_000
_LONGEST = {"event_id": 36, "source": 32, "type": 64, "aggregate": 64}
_LONGEST_REFERENCE = 64

_log = structlog.get_logger()


class VersionUnknown(Exception):
    """A message in a version that this code cannot read: it waits for newer code."""


def prepare_deliveries(
    envelopes: Sequence[Envelope],
    *,
    channels: Collection[str],
    template_versions: Mapping[str, int],
    now: dt.datetime,
) -> list[dict[str, Any]]:
    """The rows that messages become; what nobody is told becomes none.

    Raises:
        Poison: if a payload is no notice, or a name in it is longer than any service makes it.
        VersionUnknown: if newer code has written a message.
    """
    return [
        _row_of(envelope, channels, template_versions[envelope.type], now)
        for envelope in envelopes
        if envelope.type in NOTICES
    ]


def take_in_in_tx(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows that are not there yet; answers how many. The same message twice changes nothing."""
    if not rows:
        return 0
    seen = find_existing_keys(connection, {row["event_id"] for row in rows})
    fresh = []
    for row in rows:
        key = (row["event_id"], row["recipient"], row["channel"], row["template_version"])
        if key not in seen:
            seen.add(key)
            fresh.append(row)
    if fresh:
        connection.execute(insert(delivery), fresh)
    return len(fresh)


def _row_of(envelope: Envelope, channels: Collection[str], template_version: int, now: dt.datetime) -> dict[str, Any]:
    notice = _notice_of(envelope)
    plan = plan_delivery(notice, channels=channels)
    ended_at = milliseconds(now) if plan.state is DeliveryState.SUPPRESSED else None
    return {
        "id": ids.new_id(),
        "event_id": envelope.event_id,
        "source": envelope.source,
        "type": envelope.type,
        "aggregate": envelope.aggregate,
        "aggregate_version": envelope.aggregate_version,
        "recipient": notice.recipient.reference,
        "channel": plan.channel,
        "template_version": template_version,
        "address": plan.address,
        # A message that nobody gets is not kept. ASCII, because no database takes every character that JSON can name.
        "notice": "" if ended_at else json.dumps(envelope.payload),
        "state": plan.state.value,
        "reason": plan.reason,
        "attempts": 0,
        "attempts_allowed": MAX_ATTEMPTS,
        "created_at": envelope.created_at,
        "next_attempt_at": milliseconds(now),
        "expires_at": None if notice.expires_at is None else milliseconds(notice.expires_at),
        "ended_at": ended_at,
    }


def _notice_of(envelope: Envelope) -> Notice:
    if envelope.version != _KNOWN_VERSION:
        raise VersionUnknown(f"{envelope.type} in version {envelope.version}")
    for name, longest in _LONGEST.items():
        _check_name(name, getattr(envelope, name), longest)
    try:
        notice = Notice.model_validate(envelope.payload)
        size = len(json.dumps(envelope.payload))
    except ValidationError as error:
        fields = sorted({".".join(map(str, item["loc"])) for item in error.errors(include_input=False)})
        raise Poison(f"{envelope.type}: no notice; wrong: {', '.join(fields)}") from None
    except (ValueError, TypeError, RecursionError):
        raise Poison(f"{envelope.type}: no JSON") from None
    _check_name("recipient", notice.recipient.reference, _LONGEST_REFERENCE)
    if size > _LONGEST_NOTICE:
        raise Poison(f"{envelope.type}: {size} bytes are too much for a notice")
    if notice.expires_at is not None and notice.expires_at.tzinfo is None:
        raise Poison(f"{envelope.type}: the expiry names no time zone")
    return notice


def _check_name(name: str, value: str, longest: int) -> None:
    """Names are made by services: what does not fit its column, or does not print, is none of them."""
    if not value or len(value) > longest or not value.isprintable():
        raise Poison(f"{name} is no name that a service makes")

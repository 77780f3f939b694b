"""Messages come in: what a notice becomes for whom, decided once and kept as rows."""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, insert, update

from bookwell.contracts.messages import NOTICES, Envelope, Notice
from bookwell.contracts.webhooks import LONGEST_BODY, WebhookBody, WebhookMessage
from bookwell.kit import ids
from bookwell.kit.messaging import Poison
from bookwell.kit.tracing import accept_traceparent
from bookwell.notifier.db import instant_of, milliseconds
from bookwell.notifier.deliveries.models import delivery
from bookwell.notifier.deliveries.queries import find_disabled_endpoints, find_existing_keys
from bookwell.notifier.deliveries.rules import (
    ENDPOINT_DISABLED,
    NOT_SO_ANY_MORE,
    OVERTAKEN,
    WEBHOOK,
    DeliveryState,
    Plan,
    plan_delivery,
    schedule_of,
)

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
        Poison: if a payload is no notice or webhook, or a name in it is longer than any service makes it.
        VersionUnknown: if newer code has written a message.
    """
    rows = []
    for envelope in envelopes:
        if envelope.queue == WEBHOOK:
            rows.append(_webhook_row_of(envelope, now))
        elif envelope.type in NOTICES:
            rows.append(_row_of(envelope, channels, template_versions[envelope.type], now))
    return rows


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
        connection.execute(insert(delivery), _held_back(connection, fresh))
        _end_overtaken(connection, fresh)
    return len(fresh)


def _end_overtaken(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """End what waits still to tell what these messages say is over."""
    for row in rows:
        if types := OVERTAKEN.get(row["type"]):
            earlier = update(delivery).where(
                delivery.c.source == row["source"],
                delivery.c.aggregate == row["aggregate"],
                delivery.c.aggregate_version < row["aggregate_version"],
                delivery.c.type.in_(types),
                delivery.c.state == DeliveryState.QUEUED.value,
            )
            over = {"state": DeliveryState.EXPIRED.value, "reason": NOT_SO_ANY_MORE, "ended_at": row["next_attempt_at"]}
            connection.execute(earlier.values(over))


def _held_back(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, of which those for an endpoint that is disabled are dead letters from the start."""
    names = {row["address"] for row in rows if row["channel"] == WEBHOOK}
    disabled = find_disabled_endpoints(connection, names) if names else set()
    dead = {"state": DeliveryState.FAILED.value, "reason": ENDPOINT_DISABLED}
    return [
        row | dead | {"ended_at": row["next_attempt_at"]}
        if row["channel"] == WEBHOOK and row["address"] in disabled
        else row
        for row in rows
    ]


def _row_of(envelope: Envelope, channels: Collection[str], template_version: int, now: dt.datetime) -> dict[str, Any]:
    notice = _notice_of(envelope)
    plan = plan_delivery(notice, channels=channels)
    is_over = plan.state is DeliveryState.SUPPRESSED
    return _basis_of(envelope, plan, now) | {
        "recipient": notice.recipient.reference,
        "template_version": template_version,
        # A message that nobody gets is not kept. ASCII, because no database takes every character that JSON can name.
        "notice": "" if is_over else json.dumps(envelope.payload),
        "expires_at": None if notice.expires_at is None else milliseconds(notice.expires_at),
        "ended_at": milliseconds(now) if is_over else None,
    }


def _webhook_row_of(envelope: Envelope, now: dt.datetime) -> dict[str, Any]:
    """The body is made here, once: every attempt sends the same bytes."""
    _check_envelope(envelope)
    try:
        message = WebhookMessage.model_validate(envelope.payload)
        body = WebhookBody(
            type=envelope.type,
            timestamp=instant_of(envelope.created_at),
            data=message.data | {"version": envelope.aggregate_version},
        )
        content = json.dumps(body.model_dump(mode="json"), separators=(",", ":"), allow_nan=False)
    except (ValidationError, ValueError, TypeError, RecursionError):
        raise Poison(f"{envelope.type}: no webhook") from None
    if len(content) >= LONGEST_BODY:
        raise Poison(f"{envelope.type}: {len(content)} bytes are too much for a webhook")
    _check_name("endpoint", message.endpoint, _LONGEST_REFERENCE)
    plan = Plan(WEBHOOK, message.endpoint, DeliveryState.QUEUED)
    return _basis_of(envelope, plan, now) | {
        "recipient": message.endpoint,
        "template_version": 1,
        "notice": content,
        "expires_at": None,
        "ended_at": None,
    }


def _basis_of(envelope: Envelope, plan: Plan, now: dt.datetime) -> dict[str, Any]:
    """What rows of every kind have of the envelope and the plan."""
    return {
        "id": ids.new_id(),
        "event_id": envelope.event_id,
        "source": envelope.source,
        "type": envelope.type,
        "aggregate": envelope.aggregate,
        "aggregate_version": envelope.aggregate_version,
        "channel": plan.channel,
        "address": plan.address,
        "state": plan.state.value,
        "reason": plan.reason,
        "attempts": 0,
        "attempts_allowed": schedule_of(plan.channel).attempts,
        "created_at": envelope.created_at,
        # Checked, or begun, here: all attempts are then in one trace.
        "traceparent": accept_traceparent(envelope.traceparent),
        "next_attempt_at": milliseconds(now),
    }


def _check_envelope(envelope: Envelope) -> None:
    if envelope.version != _KNOWN_VERSION:
        raise VersionUnknown(f"{envelope.type} in version {envelope.version}")
    for name, longest in _LONGEST.items():
        _check_name(name, getattr(envelope, name), longest)


def _notice_of(envelope: Envelope) -> Notice:
    _check_envelope(envelope)
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

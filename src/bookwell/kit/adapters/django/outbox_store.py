"""Writes outgoing messages to the table `outbox`, in the transaction of the change they tell."""

from collections.abc import Sequence

from pydantic_core import to_json

from bookwell.kit import clock, ids
from bookwell.kit.adapters.django.statements import Statement, execute_together
from bookwell.kit.outbox import OutgoingMessage
from bookwell.kit.request_context import traceparent

__all__ = ["append_in_tx", "appending"]

_INSERT = (
    "INSERT INTO outbox (event_id, queue, type, version, aggregate, aggregate_version, payload, created_at, "
    "next_attempt_at, traceparent, lease_until, published_at, done_at, attempts, error) VALUES "
)
_ROW = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, NULL, NULL, NULL, 0, '')"


def append_in_tx(messages: Sequence[OutgoingMessage]) -> None:
    """Add one row per message, in one statement; times are milliseconds since 1970."""
    if messages:
        execute_together(appending(messages))


def appending(messages: Sequence[OutgoingMessage]) -> Statement:
    """What `append_in_tx` runs, to be sent with others."""
    now, trace = int(clock.now().timestamp() * 1000), traceparent()
    values: list[str | int] = []
    for message in messages:
        values += [message.event_id or ids.new_id(), message.queue, message.type, message.version, message.aggregate]
        values += [message.aggregate_version, to_json(message.payload).decode(), now, now, trace]
    return Statement(_INSERT + ", ".join([_ROW] * len(messages)), values)

"""Writes outgoing messages to the table `outbox`, in the transaction of the change they tell."""

import datetime as dt
from collections.abc import Sequence

from pydantic_core import to_json
from sqlalchemy import Connection, MetaData, Table, insert

from bookwell.kit import ids
from bookwell.kit.adapters.sqlalchemy.outbox import outbox_columns
from bookwell.kit.adapters.sqlalchemy.statements import Statement, send_later
from bookwell.kit.outbox import OutgoingMessage
from bookwell.kit.outbox.rules import milliseconds
from bookwell.kit.request_context import traceparent

__all__ = ["append_in_tx"]

_outbox = Table("outbox", MetaData(), *outbox_columns())
_INSERT = Statement(insert(_outbox).inline())  # nobody asks for the rows' numbers


def append_in_tx(connection: Connection, messages: Sequence[OutgoingMessage], *, now: dt.datetime) -> None:
    """Add one row per message, due at once."""
    moment = milliseconds(now)
    for message in messages:
        row = _INSERT(
            event_id=message.event_id or ids.new_id(),
            queue=message.queue,
            type=message.type,
            version=message.version,
            aggregate=message.aggregate,
            aggregate_version=message.aggregate_version,
            payload=to_json(message.payload).decode(),
            created_at=moment,
            attempts=0,
            next_attempt_at=moment,
            error="",
            traceparent=traceparent(),
        )
        send_later(connection, row)

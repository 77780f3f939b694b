"""The outbox as Django writes it and SQLAlchemy reads it, with several relays at once."""

import datetime as dt
import threading
import time
from collections import defaultdict
from collections.abc import Sequence

import pytest
from django.db import connection
from sqlalchemy import Engine, text

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.adapters.django.outbox_scrubbing import empty_in_tx
from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.adapters.sqlalchemy import OutboxTable, reading, writing
from bookwell.kit.outbox import OutgoingMessage
from bookwell.kit.outbox.relay import Claim, Relay
from bookwell.kit.outbox.rules import Pace, RowState, milliseconds

_SECOND = dt.timedelta(seconds=1)


def _write(*messages: tuple[str, int], queue: str = "mail") -> None:
    """Commit one row for each aggregate and version, as a use case does."""
    rows = [OutgoingMessage(queue, "thing.changed", thing, version, {"ł": version}) for thing, version in messages]
    run_in_transaction(lambda: append_in_tx(rows))


def _things(claim: Claim) -> list[tuple[str, int]]:
    return [(row.envelope.aggregate, row.envelope.aggregate_version) for row in claim.rows]


def _envelopes(claim: Claim) -> list[Envelope]:
    return [row.envelope for row in claim.rows]


@pytest.fixture
def outbox(outbox_engine: Engine) -> OutboxTable:
    return OutboxTable("library", outbox_engine)


def test_claim__django_wrote__reads_the_whole_envelope(outbox: OutboxTable) -> None:
    before = milliseconds(clock.now())
    _write(("thing:1", 3))

    claim = outbox.claim(now=clock.now(), limit=10)

    [row] = claim.rows
    assert (row.envelope.source, row.envelope.queue, row.envelope.type) == ("library", "mail", "thing.changed")
    assert (row.envelope.aggregate, row.envelope.aggregate_version, row.envelope.version) == ("thing:1", 3, 1)
    assert row.envelope.payload == {"ł": 3}
    assert before <= row.envelope.created_at <= milliseconds(clock.now())
    assert len(row.envelope.event_id) == 36
    assert row.attempts == 1


def test_claim__an_earlier_row_is_undone__waits_for_its_receipt(outbox: OutboxTable) -> None:
    _write(("thing:1", 2), ("thing:1", 1), ("thing:2", 1))
    now = clock.now() + _SECOND

    first = outbox.claim(now=now, limit=10)
    outbox.mark_published(first.rows, lease_until=first.lease_until, now=now)
    meanwhile = outbox.claim(now=now, limit=10)
    outbox.end(_envelopes(first), now=now)
    second = outbox.claim(now=now, limit=10)

    assert sorted(_things(first)) == [("thing:1", 1), ("thing:2", 1)]
    assert _things(meanwhile) == []
    assert _things(second) == [("thing:1", 2)]

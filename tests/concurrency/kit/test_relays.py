"""Several relays at once, while use cases go on writing."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Engine

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.adapters.django.outbox_store import append_in_tx
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.adapters.sqlalchemy import OutboxTable
from bookwell.kit.outbox import OutgoingMessage
from bookwell.kit.outbox.relay import Relay
from bookwell.kit.outbox.rules import RowState
from tests.concurrency.racing import race

_RELAYS = 3
_AGGREGATES = 40
_VERSIONS = 15
_ROWS = _AGGREGATES * _VERSIONS
_PATIENCE_SECONDS = 60


class _Wire:
    """Takes every bundle and minds the order: a version may only come when the one before had its receipt."""

    def __init__(self) -> None:
        self.published: list[Envelope] = []
        self.too_early: list[Envelope] = []
        self.next_versions: dict[str, int] = {}
        self.arriving: queue.SimpleQueue[Sequence[Envelope] | None] = queue.SimpleQueue()
        self._guard = threading.Lock()

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        with self._guard:
            self.published += envelopes
            self.too_early += [one for one in envelopes if one.aggregate_version > self._next(one.aggregate)]
            self.arriving.put(envelopes)

    def receive(self, envelopes: Sequence[Envelope]) -> None:
        """Their receipts are about to be written."""
        with self._guard:
            for envelope in envelopes:
                self.next_versions[envelope.aggregate] = envelope.aggregate_version + 1

    def _next(self, aggregate: str) -> int:
        return self.next_versions.get(aggregate, 0)


def _write_all() -> None:
    """Commit every row, a version of all aggregates after the other."""
    for version in range(_VERSIONS):
        for number in range(0, _AGGREGATES, 4):
            rows = [
                OutgoingMessage("mail", "thing.changed", f"thing:{thing}", version, {})
                for thing in range(number, number + 4)
            ]
            run_in_transaction(partial(append_in_tx, rows))


def test_relays__three_of_them_and_600_rows__none_twice_none_out_of_order(
    outbox_engine: Engine,
) -> None:
    wire, outbox = _Wire(), OutboxTable("library", outbox_engine)
    relays = [Relay([outbox], wire) for _ in range(_RELAYS)]
    deadline = time.monotonic() + _PATIENCE_SECONDS

    def bring_out(relay: Relay) -> None:
        while time.monotonic() < deadline and len(wire.published) < _ROWS:
            if not relay.run_once(clock.now()):
                time.sleep(0.01)
        wire.arriving.put(None)

    def write_receipts() -> None:
        ended = 0
        while ended < _RELAYS:
            arrived = wire.arriving.get(timeout=_PATIENCE_SECONDS)
            if arrived is None:
                ended += 1
            else:
                wire.receive(arrived)
                outbox.end(arrived, now=clock.now())

    works: list[Callable[[], None]] = [partial(bring_out, relay) for relay in relays]
    race([_write_all, write_receipts, *works])

    assert len(wire.published) == _ROWS
    assert len({envelope.event_id for envelope in wire.published}) == _ROWS
    assert wire.too_early == []
    assert not outbox.list_rows()
    assert len(outbox.list_rows(RowState.DONE, limit=_ROWS + 1)) == _ROWS

"""The relay: brings the rows of outboxes out, in each aggregate's order, and again those that got no receipt.

There may be several. A row is claimed for a lease in a short transaction and published outside of it; then it waits
for its receipt, and when a gap has passed without one, the same claim finds it once more.
"""

import datetime as dt
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.messaging import Publisher, describe
from bookwell.kit.outbox.rules import Pace, travels_alone

__all__ = ["BUNDLE", "Claim", "Claimed", "Outbox", "Relay"]

BUNDLE = 20
_CLAIM = 100
_IDLE_SECONDS = 0.2
_FIRST_REST = dt.timedelta(milliseconds=200)
_LONGEST_REST = dt.timedelta(seconds=5)
_USABLE_PART_OF_LEASE = 0.5

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that one relay may publish; `attempts` counts this time."""

    envelope: Envelope
    attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of one claim; `lease_until` (milliseconds since 1970) is the claim's mark on them."""

    rows: Sequence[Claimed] = ()
    lease_until: int = 0


class Outbox(Protocol):
    """One service's outbox, as a relay uses it."""

    @property
    def source(self) -> str:
        """The service's name."""

    @property
    def pace(self) -> Pace:
        """How patient to be with its rows."""

    def claim(self, *, now: dt.datetime, limit: int) -> Claim:
        """Take rows that are due; never one of an aggregate that an earlier one waits for."""

    def mark_published(self, rows: Sequence[Claimed], *, lease_until: int, now: dt.datetime) -> None:
        """They are on their way: let them wait for their receipts."""

    def release(self, rows: Sequence[Claimed], error: str, *, lease_until: int, now: dt.datetime) -> None:
        """They were not accepted: give them back as if they had not been claimed."""


@dataclass(slots=True)
class _Rest:
    """A growing pause after failures."""

    until: dt.datetime | None = None
    length: dt.timedelta = field(default=dt.timedelta(0))

    def is_over(self, now: dt.datetime) -> bool:
        # A clock that was set back must not make the pause longer than it is.
        return self.until is None or not now < self.until <= now + _LONGEST_REST

    def take(self, now: dt.datetime) -> None:
        self.length = min(max(self.length * 2, _FIRST_REST), _LONGEST_REST)
        self.until = now + self.length

    def end(self) -> None:
        self.until, self.length = None, dt.timedelta(0)


class Relay:
    """Publishes what outboxes hold. It ends for no failure: it rests, up to 5 seconds, and goes on."""

    def __init__(self, outboxes: Sequence[Outbox], publisher: Publisher, *, heartbeat: Heartbeat | None = None) -> None:
        self._outboxes = [(outbox, _Rest()) for outbox in outboxes]
        self._publisher = publisher
        self._heartbeat = heartbeat or Heartbeat()
        self._publisher_rest = _Rest()

    def run(self, stop: threading.Event) -> None:
        """Bring rows out until told to stop."""
        while not stop.is_set():
            self._heartbeat.beat()
            if not self.run_once(clock.now()):
                stop.wait(_IDLE_SECONDS)

    def run_once(self, now: dt.datetime) -> int:
        """Bring out what is due, a claim of each outbox; answers how many rows were published."""
        published = 0
        for outbox, rest in self._outboxes:
            self._heartbeat.beat()
            if not (self._publisher_rest.is_over(now) and rest.is_over(now)):
                continue
            try:
                published += self._bring_out(outbox, now)
                rest.end()
            except Exception as error:  # noqa: BLE001 -- a database that is down for now
                rest.take(now)
                _log.warning("relay.outbox_failed", source=outbox.source, error=type(error).__name__)
        return published

    def _bring_out(self, outbox: Outbox, now: dt.datetime) -> int:
        # After a refusal one row finds out whether the publisher is back.
        claim = outbox.claim(now=now, limit=_CLAIM if self._publisher_rest.until is None else 1)
        if not claim.rows:
            return 0
        published, left = self._publish(claim, outbox)
        if published:
            self._publisher_rest.end()
            outbox.mark_published(published, lease_until=claim.lease_until, now=now)
        elif left:
            self._publisher_rest.take(now)
        for error, rows in left.items():
            outbox.release(rows, error, lease_until=claim.lease_until, now=now)
        return len(published)

    def _publish(self, claim: Claim, outbox: Outbox) -> tuple[list[Claimed], dict[str, list[Claimed]]]:
        """The rows that were published, and the others by what kept them. A queue that is refused holds up no other."""
        deadline = time.monotonic() + outbox.pace.lease.total_seconds() * _USABLE_PART_OF_LEASE
        published: list[Claimed] = []
        left: dict[str, list[Claimed]] = {}
        refused: dict[str, str] = {}
        for bundle in _bundles(claim.rows):
            self._heartbeat.beat()
            queue = bundle[0].envelope.queue
            error = "the lease was nearly over" if time.monotonic() > deadline else refused.get(queue, "")
            if not error:
                try:
                    self._publisher.publish([row.envelope for row in bundle])
                except Exception as caught:  # noqa: BLE001 -- a publisher that is down for now
                    _log.warning("relay.refused", source=outbox.source, queue=queue, error=type(caught).__name__)
                    error = refused[queue] = describe(caught)
            if error:
                left.setdefault(error, []).extend(bundle)
            else:
                published += bundle
        return published, left


def _bundles(rows: Sequence[Claimed]) -> Iterator[list[Claimed]]:
    """Rows in their order, as bundles of one queue; a row that was lost before travels alone."""
    bundle: list[Claimed] = []
    for row in rows:
        alone = travels_alone(row.attempts)
        if bundle and (alone or len(bundle) == BUNDLE or bundle[0].envelope.queue != row.envelope.queue):
            yield bundle
            bundle = []
        bundle.append(row)
        if alone:
            yield bundle
            bundle = []
    if bundle:
        yield bundle

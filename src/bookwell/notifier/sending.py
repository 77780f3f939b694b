"""The sender: claims deliveries, hands each to its channel outside of any transaction, records what came of it.

A crash between the hand-over and the record lets the lease run out, and the same message goes again under the same
Message-ID: the only window in which somebody may get a message twice. It also stands open while a server takes longer
than the deadline to answer a mail that it keeps, and when our database stays away until the lease is nearly over.
"""

import datetime as dt
import json
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from bookwell.contracts.messages import Envelope, Notice
from bookwell.kit import clock
from bookwell.kit.tracing import continue_trace
from bookwell.notifier.channels.protocol import Channel, Message
from bookwell.notifier.db import Database, instant_of
from bookwell.notifier.deliveries.rules import WEBHOOK, AttemptOutcome, DeliveryState, Verdict
from bookwell.notifier.deliveries.services.claim import Claim, Claimed, Wanted, claim_in_tx, put_back_in_tx
from bookwell.notifier.deliveries.services.record import OnGone, record_outcome_in_tx
from bookwell.notifier.rendering import RenderedMessage, Unrenderable

__all__ = ["Pace", "Render", "Sender"]

T = TypeVar("T")
Render = Callable[..., RenderedMessage]

_PAUSE_OF_THE_OTHERS = dt.timedelta(seconds=5)
"""How long deliveries wait, untried, whose server could not be asked about the one before them."""

_LONGEST_NAP_SECONDS = 1.0
"""Nobody is given more room ahead than that: a longer wait comes of a clock that was set back."""
_RECORD_PAUSES_SECONDS = (0.1, 2.0)
_UNUSED_PART_OF_LEASE = 0.1

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How a sender works: a lease outlasts `deadline_seconds`, the longest that one hand-over may take."""

    deadline_seconds: float
    lease_seconds: float
    per_second: float = 0
    at_once: int = 20


class Sender:
    """Sends what is due over one channel; any number of senders may work at once."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        *,
        channel: str,
        render: Render,
        mail_sender: str,
        pace: Pace,
        on_gone: OnGone,
    ) -> None:
        self._database = database
        self._channels = channels
        self._channel = channel
        self._render = render
        self._mail_sender = mail_sender
        self._pace = pace
        self._on_gone = on_gone
        self._rests: dict[str, dt.datetime] = {}  # servers that asked to be left alone, and until when

    def send_of(self, envelopes: Sequence[Envelope], *, seconds: float) -> int:
        """Send these messages now, then what waited for them, for about `seconds` at most; what is left is due later.

        Answers how many ended or were tried.
        """
        ends_at = time.monotonic() + seconds
        event_ids = sorted({envelope.event_id for envelope in envelopes})
        aggregates = sorted({(envelope.source, envelope.aggregate) for envelope in envelopes})
        tried = more = self._send_some(ends_at, event_ids=event_ids)[0]
        while more and time.monotonic() < ends_at:
            more = self._send_some(ends_at, aggregates=aggregates)[0]
            tried += more
        return tried

    def send_due(self, *, seconds: float) -> int:
        """Send what is due until nothing is or about `seconds` have passed.

        Answers how many ended, were tried, or wait for a server that asked to be left alone.
        """
        ends_at = time.monotonic() + seconds
        tried = 0
        while time.monotonic() < ends_at:
            count, is_paced_out = self._send_some(ends_at)
            tried += count
            if is_paced_out:
                time.sleep(0.1)
            elif not count:
                break
        return tried

    def _send_some(
        self, ends_at: float, *, event_ids: Collection[str] = (), aggregates: Collection[tuple[str, str]] = ()
    ) -> tuple[int, bool]:
        """One claim's worth: how many ended or were tried, and whether the pace alone keeps others back."""
        wanted = Wanted(
            limit=self._pace.at_once,
            lease=dt.timedelta(seconds=self._pace.lease_seconds),
            event_ids=event_ids,
            aggregates=aggregates,
            channel=self._channel,
            per_second=self._pace.per_second,
        )
        now = clock.now()
        leased_until = time.monotonic() + self._pace.lease_seconds
        claim = self._database.write(lambda connection: claim_in_tx(connection, wanted, now=now))
        return claim.ended + self._work_off(claim, leased_until, ends_at), claim.is_paced_out

    def _work_off(self, claim: Claim, leased_until: float, ends_at: float) -> int:
        """Send one after the other, at least one; gives back those for which there is no time, or no server."""
        until = min(leased_until - self._pace.deadline_seconds, ends_at)
        waiting, tried = self._put_off(claim.deliveries), 0
        put_off = len(claim.deliveries) - len(waiting)
        while waiting:
            _wait_until(claim.starts_at + dt.timedelta(seconds=tried * claim.interval))
            if tried and time.monotonic() > until:
                self._put_back(waiting, clock.now())
                break
            delivery = waiting.pop(0)
            with continue_trace(delivery.traceparent):
                verdict = self._send(delivery, leased_until)
            tried += 1
            if verdict.outcome is AttemptOutcome.UNREACHABLE:
                if verdict.rest:
                    self._rests[_server_of(delivery)] = clock.now() + verdict.rest
                stuck = [other for other in waiting if _server_of(other) == _server_of(delivery)]
                self._put_back(stuck, clock.now() + max(_PAUSE_OF_THE_OTHERS, verdict.rest))
                waiting = [other for other in waiting if other not in stuck]
        return tried + put_off

    def _put_off(self, claims: Sequence[Claimed]) -> list[Claimed]:
        """Those that may be tried; the others are given back until the servers' rests are over."""
        now = clock.now()
        # A copy: another thread may send over this channel at the same time.
        rests = {server: until for server, until in self._rests.copy().items() if until > now}
        for server, until in rests.items():
            self._put_back([claim for claim in claims if _server_of(claim) == server], until)
        return [claim for claim in claims if _server_of(claim) not in rests]

    def _send(self, claimed: Claimed, leased_until: float) -> Verdict:
        began_at = clock.now()
        verdict = self._attempt(claimed)
        now, spread = clock.now(), random.random()  # noqa: S311 -- no secret

        def record(connection: Connection, told: Verdict) -> DeliveryState | None:
            when: dict[str, Any] = {"began_at": began_at, "now": now, "spread": spread}
            return record_outcome_in_tx(connection, claimed, told, on_gone=self._on_gone, **when)

        _report(claimed, verdict, self._record(record, verdict, leased_until))
        return verdict

    def _record(self, record: Callable[[Connection, Verdict], T], verdict: Verdict, leased_until: float) -> T | None:
        """Write down what came of an attempt, again while the database is away and the lease is not nearly over.

        None also when it had been written down before, by a commit whose answer was lost.
        """
        until = leased_until - self._pace.lease_seconds * _UNUSED_PART_OF_LEASE
        pause, longest = _RECORD_PAUSES_SECONDS
        is_first = True
        while True:
            try:
                return self._write_down(record, verdict)
            except IntegrityError:
                if is_first:
                    raise
                return None
            except OperationalError as error:
                if time.monotonic() + pause >= until:
                    raise
                _log.warning("delivery.not_recorded_yet", error=type(error.orig).__name__)
            is_first = False
            time.sleep(pause)
            pause = min(pause * 2, longest)

    def _write_down(self, record: Callable[[Connection, Verdict], T], verdict: Verdict) -> T:
        """Record a verdict, without its words where the database does not take them: else the message would go again.

        Raises:
            IntegrityError, OperationalError
        """
        try:
            return self._database.write(lambda connection: record(connection, verdict))
        except (IntegrityError, OperationalError):
            raise
        except (StatementError, ValueError) as error:
            _log.warning("delivery.words_not_recorded", error=type(error).__name__)
            wordless = replace(verdict, answer="")
            return self._database.write(lambda connection: record(connection, wordless))

    def _attempt(self, claimed: Claimed) -> Verdict:
        try:
            message = self._message_of(claimed)
        except Unrenderable as error:
            return Verdict(AttemptOutcome.BROKEN, answer=str(error))
        except Exception as error:  # noqa: BLE001 -- whatever a template does, other deliveries go on
            _log.exception("delivery.template_failed", delivery_id=claimed.id, type=claimed.type)
            return Verdict(AttemptOutcome.BROKEN, answer=f"template error: {type(error).__name__}")
        channel = self._channels.get(claimed.channel)
        if channel is None:
            return Verdict(AttemptOutcome.BROKEN, answer=f"there is no channel {claimed.channel} here any more")
        try:
            return channel.send(message)
        except Exception as error:  # noqa: BLE001 -- a channel's fault keeps neither this delivery nor others for ever
            _log.exception("delivery.channel_failed", delivery_id=claimed.id, channel=claimed.channel)
            return Verdict(AttemptOutcome.TRANSIENT, answer=f"channel error: {type(error).__name__}")

    def _message_of(self, claimed: Claimed) -> Message:
        if claimed.channel == WEBHOOK:
            return _webhook_of(claimed)
        notice = Notice.model_validate(json.loads(claimed.notice))
        created_at = instant_of(claimed.created_at)
        content = self._render(
            claimed.type,
            notice,
            delivery_id=claimed.id,
            created_at=created_at,
            sequence=claimed.aggregate_version,
            sender=self._mail_sender,
        )
        return Message(
            delivery_id=claimed.id,
            address=claimed.address,
            name=notice.recipient.name,
            created_at=created_at,
            content=content,
            unsubscribe_url=content.unsubscribe_url,
        )

    def _put_back(self, claims: Sequence[Claimed], until: dt.datetime) -> None:
        if claims:
            self._database.write(lambda connection: put_back_in_tx(connection, claims, until=until))


def _webhook_of(claimed: Claimed) -> Message:
    """Its body was made when it came in; to the receiver its id is the event's."""
    content = RenderedMessage(subject=claimed.type, text=claimed.notice, html="", calendar=None)
    return Message(claimed.event_id, claimed.address, "", instant_of(claimed.created_at), content)


def _server_of(claim: Claimed) -> str:
    """Mails and SMS all leave by one server; every webhook endpoint is a server of its own."""
    return claim.address if claim.channel == WEBHOOK else ""


def _wait_until(instant: dt.datetime) -> None:
    seconds = (instant - clock.now()).total_seconds()
    if seconds > 0:
        time.sleep(min(seconds, _LONGEST_NAP_SECONDS))


def _report(claimed: Claimed, verdict: Verdict, state: DeliveryState | None) -> None:
    """The server's words stay in the rows: they may repeat addresses."""
    say = _log.info if verdict.outcome is AttemptOutcome.ACCEPTED else _log.warning
    say(
        "delivery.attempted",
        delivery_id=claimed.id,
        event_id=claimed.event_id,
        type=claimed.type,
        attempt=claimed.number,
        outcome=verdict.outcome.value,
        code=verdict.code,
        state=state.value if state else "claim lost",
    )

"""How messages are handled, whichever way they came: a handler's transaction first, then the receipt in the source.

A message is handled in the trace of the change that it tells; a bundle of several traces in one of its own, unless its
messages are handled one by one.

The receipt alone ends a message's row. Whatever is lost before it (the broker, the process, the receipt itself) is
brought out again by the relay; hence a handler is idempotent by `event_id`.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

import structlog

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock
from bookwell.kit.tracing import continue_trace

if TYPE_CHECKING:
    from prometheus_client import Counter

__all__ = ["Consumer", "DirectPublisher", "Handler", "NotNow", "Poison", "Publisher", "Receipts", "consume", "describe"]

_MAX_ERROR = 500

_log = structlog.get_logger()

Handler = Callable[[Sequence[Envelope]], None]
"""Takes messages in, all or none, in one transaction of its own; those it knows by `event_id` change nothing."""


class Poison(Exception):
    """This message can never be handled; the first argument says why, without personal data."""


class NotNow(Exception):
    """This message's turn comes later, and nothing is broken; the first argument is a code that says why."""


class Receipts(Protocol):
    """Where a source hears what became of its messages. Each call may be repeated."""

    def end(self, envelopes: Sequence[Envelope], *, now: dt.datetime) -> None:
        """They were handled."""

    def refuse(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        """It can never be handled; a dead row stays for people to see."""

    def postpone(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        """It could not be handled now; it comes again after a gap."""


class Publisher(Protocol):
    """A way out of the outbox."""

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Hand on one queue's bundle; raises when it was not accepted."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """What a queue's messages are for. `follow_up` runs after the receipt; what it fails at is not lost by that.

    `is_one_by_one` is for work that takes long: each message is handled alone, and has its receipt before the next.
    """

    handle: Handler
    follow_up: Callable[[Sequence[Envelope]], None] | None = None
    is_one_by_one: bool = False


def consume(
    envelopes: Sequence[Envelope],
    consumer: Consumer,
    receipts_of: Mapping[str, Receipts],
    *,
    out_of_time: tuple[type[Exception], ...] = (),
) -> None:
    """Handle a bundle and write its receipts. Raises nothing: what goes wrong is logged and said to the source.

    A bundle that fails as a whole is handled one by one, so that only the culprit waits or dies. An error of
    `out_of_time` ends the bundle at once: there is no time left to find the culprit.
    """
    if consumer.is_one_by_one:
        handled = _handle_each(envelopes, consumer.handle, receipts_of, out_of_time)
    else:
        with _trace_of(envelopes):
            handled = _handle(envelopes, consumer.handle, receipts_of, out_of_time)
            for source, group in groupby(handled, key=lambda envelope: envelope.source):
                _say(list(group), receipts_of.get(source))
    if handled and consumer.follow_up is not None:
        with _trace_of(handled):
            _follow_up(handled, consumer.follow_up)


def describe(error: BaseException) -> str:
    """An error in one short line for a row: its kind, and what it says."""
    return f"{type(error).__name__}: {error}".partition("\n")[0][:_MAX_ERROR]


class DirectPublisher:
    """Publishes by consuming on the spot: the way of the embedded mode, which has no broker."""

    def __init__(self, consumers: Mapping[str, Consumer], receipts_of: Mapping[str, Receipts]) -> None:
        self._consumers = consumers
        self._receipts_of = receipts_of

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Consume the bundle; a queue without a consumer holds up no other."""
        consumer = self._consumers.get(envelopes[0].queue)
        if consumer is not None:
            consume(envelopes, consumer, self._receipts_of)
            return
        error = LookupError(f"no consumer for the queue {envelopes[0].queue}")
        _postpone_all(envelopes, error, self._receipts_of)


def _trace_of(envelopes: Sequence[Envelope]) -> AbstractContextManager[None]:
    """Work in the trace of these messages, or in a new one where they have none in common."""
    first, *others = envelopes
    is_common = all(_trace_id(other) == _trace_id(first) for other in others)
    return continue_trace(first.traceparent if is_common else "")


def _trace_id(envelope: Envelope) -> str:
    return envelope.traceparent[3:35]


def _follow_up(handled: Sequence[Envelope], follow_up: Callable[[Sequence[Envelope]], None]) -> None:
    try:
        follow_up(handled)
    except Exception:  # noqa: BLE001 -- logged; the rows decide
        _log.exception("messages.follow_up_failed", event_ids=[envelope.event_id for envelope in handled])


def _handle(
    envelopes: Sequence[Envelope],
    handle: Handler,
    receipts_of: Mapping[str, Receipts],
    out_of_time: tuple[type[Exception], ...],
) -> list[Envelope]:
    """Those that were handled; the source was told of the others."""
    try:
        handle(envelopes)
    except out_of_time as error:
        _postpone_all(envelopes, error, receipts_of)
        return []
    except Exception as error:  # noqa: BLE001 -- one message's failure must not end the worker
        if len(envelopes) == 1:
            _put_off(envelopes[0], error, receipts_of)
            return []
    else:
        return list(envelopes)
    handled: list[Envelope] = []
    for envelope in envelopes:
        with _trace_of([envelope]):
            handled += _handle([envelope], handle, receipts_of, out_of_time)
    return handled


def _handle_each(
    envelopes: Sequence[Envelope],
    handle: Handler,
    receipts_of: Mapping[str, Receipts],
    out_of_time: tuple[type[Exception], ...],
) -> list[Envelope]:
    """Those that were handled; the source was told of every one."""
    handled: list[Envelope] = []
    for number, envelope in enumerate(envelopes):
        with _trace_of([envelope]):
            try:
                handle([envelope])
            except out_of_time as error:
                _postpone_all(envelopes[number:], error, receipts_of)
                break
            except Exception as error:  # noqa: BLE001 -- one message's failure must not end the worker
                _put_off(envelope, error, receipts_of)
            else:
                handled.append(envelope)
                _say([envelope], receipts_of.get(envelope.source))
    return handled


def _put_off(envelope: Envelope, error: Exception, receipts_of: Mapping[str, Receipts]) -> None:
    if not isinstance(error, Poison):
        _postpone(envelope, error, receipts_of)
        return
    _log.error("message.refused", event_id=envelope.event_id, type=envelope.type, queue=envelope.queue)
    _tell(receipts_of, envelope, lambda receipts: receipts.refuse(envelope, describe(error), now=clock.now()))


def _postpone_all(envelopes: Sequence[Envelope], error: Exception, receipts_of: Mapping[str, Receipts]) -> None:
    for envelope in envelopes:
        with _trace_of([envelope]):
            _postpone(envelope, error, receipts_of)


def _postpone(envelope: Envelope, error: Exception, receipts_of: Mapping[str, Receipts]) -> None:
    is_expected = isinstance(error, NotNow)
    reason = str(error) if is_expected else type(error).__name__
    _postponed().labels(envelope.queue, reason).inc()
    _log.warning(
        "message.postponed",
        event_id=envelope.event_id,
        type=envelope.type,
        queue=envelope.queue,
        reason=reason,
        **({} if is_expected else {"exc_info": error}),
    )
    _tell(receipts_of, envelope, lambda receipts: receipts.postpone(envelope, describe(error), now=clock.now()))


def _say(handled: Sequence[Envelope], receipts: Receipts | None) -> None:
    try:
        if receipts is None:
            raise LookupError(handled[0].source)  # noqa: TRY301 -- logged like every other lost receipt
        receipts.end(handled, now=clock.now())
    except Exception:  # noqa: BLE001 -- logged; the rows decide
        # They were handled; they will come again, and change nothing.
        _log.exception("messages.receipt_lost", event_ids=[envelope.event_id for envelope in handled])


def _tell(receipts_of: Mapping[str, Receipts], envelope: Envelope, word: Callable[[Receipts], None]) -> None:
    try:
        word(receipts_of[envelope.source])
    except Exception:  # noqa: BLE001 -- logged; the rows decide
        _log.exception("messages.receipt_lost", event_ids=[envelope.event_id])


@cache
def _postponed() -> "Counter":
    # Made when it is needed: a server's workers count together if the metrics library is loaded in them, not before.
    from prometheus_client import Counter  # noqa: PLC0415

    return Counter(
        "bookwell_messages_postponed", "Messages that could not be handled when they came.", ("queue", "reason")
    )

"""Handling messages and saying so to their source."""

import datetime as dt
from collections.abc import Callable, Sequence

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from bookwell.contracts.messages import Envelope
from bookwell.kit.messaging import Consumer, DirectPublisher, NotNow, Poison, consume
from bookwell.kit.request_context import traceparent


class _Receipts:
    """A source's outbox that writes down what it is told."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.told: list[tuple[str, str]] = []
        self.traces: list[str] = []
        self.errors: list[str] = []
        self.is_down = is_down

    def end(self, envelopes: Sequence[Envelope], *, now: dt.datetime) -> None:
        if self.is_down:
            raise ConnectionRefusedError
        self.told += [("done", envelope.event_id) for envelope in envelopes]
        self.traces += [traceparent()] * len(envelopes)

    def refuse(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        self.told.append(("dead", envelope.event_id))
        self.errors.append(error)

    def postpone(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        if self.is_down:
            raise ConnectionRefusedError
        self.told.append(("later", envelope.event_id))
        self.traces.append(traceparent())
        self.errors.append(error)


def _trace(digit: str) -> str:
    return f"00-{digit * 32}-{'b' * 16}-01"


def _envelope(name: str, *, source: str = "library", queue: str = "mail", traceparent: str = "") -> Envelope:
    return Envelope(
        event_id=name,
        source=source,
        queue=queue,
        type="thing.changed",
        version=1,
        aggregate=f"thing:{name}",
        aggregate_version=1,
        created_at=0,
        payload={},
        traceparent=traceparent,
    )


def _handler(seen: list[list[str]], **failures: Exception) -> Callable[[Sequence[Envelope]], None]:
    def handle(envelopes: Sequence[Envelope]) -> None:
        names = [envelope.event_id for envelope in envelopes]
        for name in names:
            if name in failures:
                raise failures[name]
        seen.append(names)

    return handle


def test_consume__all_is_well__one_transaction_then_receipts_then_follow_up() -> None:
    receipts, order = _Receipts(), list[str]()

    def handle(_: Sequence[Envelope]) -> None:
        order.append(f"handled, {len(receipts.told)} receipts")

    def follow_up(envelopes: Sequence[Envelope]) -> None:
        order.append(f"followed up {len(envelopes)}, {len(receipts.told)} receipts")

    consume([_envelope("a"), _envelope("b")], Consumer(handle, follow_up), {"library": receipts})

    assert order == ["handled, 0 receipts", "followed up 2, 2 receipts"]
    assert receipts.told == [("done", "a"), ("done", "b")]


def test_consume__one_of_a_bundle_fails__only_that_one_comes_again() -> None:
    receipts, seen, followed = _Receipts(), list[list[str]](), list[str]()
    consumer = Consumer(
        _handler(seen, b=TimeoutError("too slow")), lambda handled: followed.extend(item.event_id for item in handled)
    )

    consume([_envelope("a"), _envelope("b"), _envelope("c")], consumer, {"library": receipts})

    assert seen == [["a"], ["c"]]
    assert receipts.told == [("later", "b"), ("done", "a"), ("done", "c")]
    assert receipts.errors == ["TimeoutError: too slow"]
    assert followed == ["a", "c"]


def test_consume__poison__is_dead_at_once() -> None:
    receipts, seen = _Receipts(), list[list[str]]()

    consume([_envelope("a")], Consumer(_handler(seen, a=Poison("no recipient"))), {"library": receipts})

    assert receipts.told == [("dead", "a")]
    assert receipts.errors == ["Poison: no recipient"]


def test_consume__out_of_time__nobody_is_tried_alone() -> None:
    receipts, seen = _Receipts(), list[list[str]]()
    consumer = Consumer(_handler(seen, b=TimeoutError()))

    consume([_envelope("a"), _envelope("b")], consumer, {"library": receipts}, out_of_time=(TimeoutError,))

    assert seen == []
    assert receipts.told == [("later", "a"), ("later", "b")]


def test_consume__two_sources__each_gets_its_own_receipts() -> None:
    library, tables = _Receipts(), _Receipts()

    consume(
        [_envelope("a"), _envelope("b", source="tables"), _envelope("c")],
        Consumer(_handler([])),
        {"library": library, "tables": tables},
    )

    assert library.told == [("done", "a"), ("done", "c")]
    assert tables.told == [("done", "b")]


@pytest.mark.parametrize("receipts", [{"library": _Receipts(is_down=True)}, {}])
def test_consume__the_source_cannot_be_told__the_effect_stays_and_is_followed_up(
    receipts: dict[str, _Receipts],
) -> None:
    seen, followed = list[list[str]](), list[int]()

    with capture_logs() as logs:
        consume([_envelope("a")], Consumer(_handler(seen), lambda handled: followed.append(len(handled))), receipts)

    assert seen == [["a"]]
    assert followed == [1]
    assert [log["event"] for log in logs] == ["messages.receipt_lost"]


def test_consume__handler_and_source_fail__raises_nothing() -> None:
    with capture_logs() as logs:
        consume([_envelope("a")], Consumer(_handler([], a=OSError())), {"library": _Receipts(is_down=True)})

    assert [log["event"] for log in logs] == ["message.postponed", "messages.receipt_lost"]


def test_consume__follow_up_fails__is_logged_and_the_receipt_stands() -> None:
    receipts = _Receipts()

    def fail(_: Sequence[Envelope]) -> None:
        raise OSError

    with capture_logs() as logs:
        consume([_envelope("a")], Consumer(_handler([]), fail), {"library": receipts})

    assert receipts.told == [("done", "a")]
    assert [log["event"] for log in logs] == ["messages.follow_up_failed"]


def test_consume__a_long_error__is_one_short_line() -> None:
    receipts = _Receipts()

    consume([_envelope("a")], Consumer(_handler([], a=ValueError("x" * 999 + "\nmore"))), {"library": receipts})

    assert len(receipts.errors[0]) == 500
    assert "\n" not in receipts.errors[0]


def test_direct_publisher__a_queue_with_a_consumer__is_consumed_on_the_spot() -> None:
    receipts, seen = _Receipts(), list[list[str]]()

    DirectPublisher({"mail": Consumer(_handler(seen))}, {"library": receipts}).publish([_envelope("a")])

    assert seen == [["a"]]
    assert receipts.told == [("done", "a")]


def test_direct_publisher__a_queue_without_a_consumer__waits_and_stops_no_other() -> None:
    receipts = _Receipts()

    DirectPublisher({}, {"library": receipts}).publish([_envelope("a", queue="sms")])

    assert receipts.told == [("later", "a")]


def test_consume__turn_comes_later__is_a_warning_with_its_reason_and_without_a_traceback() -> None:
    receipts, labels = _Receipts(), {"queue": "mail", "reason": "not_yet"}
    before = REGISTRY.get_sample_value("bookwell_messages_postponed_total", labels) or 0

    with capture_logs() as logs:
        consume([_envelope("a")], Consumer(_handler([], a=NotNow("not_yet"))), {"library": receipts})

    (line,) = logs
    assert (line["event"], line["log_level"], line["reason"]) == ("message.postponed", "warning", "not_yet")
    assert "exc_info" not in line
    assert receipts.told == [("later", "a")]
    assert REGISTRY.get_sample_value("bookwell_messages_postponed_total", labels) == before + 1


def test_consume__one_by_one__each_has_its_receipt_before_the_next_is_begun() -> None:
    receipts, told = _Receipts(), list[list[tuple[str, str]]]()

    def handle(envelopes: Sequence[Envelope]) -> None:
        told.append(list(receipts.told))
        if envelopes[0].event_id == "b":
            raise NotNow("not_yet")

    consumer = Consumer(handle, is_one_by_one=True)
    consume([_envelope(name) for name in "abc"], consumer, {"library": receipts})

    assert told == [[], [("done", "a")], [("done", "a"), ("later", "b")]]
    assert receipts.told == [("done", "a"), ("later", "b"), ("done", "c")]


def test_consume__one_by_one_and_out_of_time__the_rest_comes_again_unhandled() -> None:
    receipts, seen = _Receipts(), list[list[str]]()
    consumer = Consumer(_handler(seen, b=TimeoutError()), is_one_by_one=True)

    consume([_envelope(name) for name in "abc"], consumer, {"library": receipts}, out_of_time=(TimeoutError,))

    assert seen == [["a"]]
    assert receipts.told == [("done", "a"), ("later", "b"), ("later", "c")]


def _traces(contexts: Sequence[str]) -> list[str]:
    return [context[3:4] for context in contexts]


def test_consume__messages_of_one_trace__are_handled_and_followed_up_in_a_span_of_it() -> None:
    receipts, seen = _Receipts(), list[str]()
    consumer = Consumer(lambda _: seen.append(traceparent()), lambda _: seen.append(traceparent()))
    bundle = [_envelope(name, traceparent=_trace("a")) for name in "xy"]

    consume(bundle, consumer, {"library": receipts})

    assert _traces([*seen, *receipts.traces]) == ["a"] * 4
    assert _trace("a") not in seen
    assert traceparent() == ""


def test_consume__a_bundle_of_several_traces__has_its_own_until_they_are_handled_one_by_one() -> None:
    receipts, seen = _Receipts(), list[tuple[int, str]]()

    def handle(envelopes: Sequence[Envelope]) -> None:
        seen.append((len(envelopes), traceparent()))
        if envelopes[-1].event_id == "y":
            raise OSError

    bundle = [_envelope("x", traceparent=_trace("a")), _envelope("y", traceparent=_trace("c"))]
    consume(bundle, Consumer(handle), {"library": receipts})

    (_, together), *alone = seen
    assert together[3:35] not in {"", "a" * 32, "c" * 32}
    assert [(number, context[3:4]) for number, context in alone] == [(1, "a"), (1, "c")]
    assert receipts.told == [("later", "y"), ("done", "x")]
    assert _traces(receipts.traces[:1]) == ["c"]
    assert traceparent() == ""


def test_consume__one_by_one__each_in_its_trace_whatever_becomes_of_the_one_before() -> None:
    receipts, seen = _Receipts(), list[str]()

    def handle(envelopes: Sequence[Envelope]) -> None:
        seen.append(traceparent())
        if envelopes[0].event_id == "b":
            raise TimeoutError

    bundle = [_envelope(name, traceparent=_trace(name)) for name in "abc"]
    consumer = Consumer(handle, is_one_by_one=True)
    consume(bundle, consumer, {"library": receipts}, out_of_time=(TimeoutError,))

    assert _traces(seen) == ["a", "b"]
    assert list(zip(receipts.told, _traces(receipts.traces), strict=True)) == [
        (("done", "a"), "a"),
        (("later", "b"), "b"),
        (("later", "c"), "c"),
    ]
    assert traceparent() == ""


@pytest.mark.parametrize("sent", ["", "nonsense", f"00-{'0' * 32}-{'b' * 16}-01"])
def test_consume__a_message_without_a_trace__begins_one(sent: str) -> None:
    seen = list[str]()

    consume([_envelope("x", traceparent=sent)], Consumer(lambda _: seen.append(traceparent())), {})

    assert len(seen[0]) == 55
    assert seen[0] != sent


def test_envelope__written_before_traces_were_kept__is_read() -> None:
    written = _envelope("x").model_dump(mode="json")
    del written["traceparent"]

    assert Envelope.model_validate(written).traceparent == ""

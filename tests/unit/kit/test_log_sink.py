"""The way of log records into a table: nobody waits for it, and what is lost is counted."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep

from prometheus_client import REGISTRY

from bookwell.kit.log_records import LogRecord
from bookwell.kit.log_sink import LogSink, RecordsRefused, sink_of

_PATIENCE_SECONDS = 10


def line_of(number: int) -> bytes:
    return json.dumps({"time": "2026-03-12T18:00:00+00:00", "event": f"event.{number}"}).encode()


def numbers_of(events: Sequence[str]) -> list[int]:
    return [int(event.removeprefix("event.")) for event in events]


def dropped() -> float:
    return REGISTRY.get_sample_value("bookwell_log_records_dropped_total") or 0.0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert monotonic() < deadline
        sleep(0.005)


@dataclass
class FakeWriter:
    """Keeps what it is given; `failures` are raised first, one a call, and `gate` lets calls through."""

    failures: list[Exception] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    events: list[str] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    calls: int = 0

    def write(self, records: Sequence[LogRecord]) -> None:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(_PATIENCE_SECONDS)
        if self.failures:
            raise self.failures.pop(0)
        self.events += [record.event for record in records]

    def forget_parent(self) -> None:
        """Nothing is open."""


def sink_to(writer: FakeWriter, *, capacity: int = 100, batch: int = 10, pause: float = 0.01) -> LogSink:
    return LogSink(writer, capacity=capacity, batch=batch, gather_seconds=0.01, pauses=(pause, pause * 2))


def make_writer(url: str) -> FakeWriter:
    return FakeWriter(events=[url])


def test_put__the_table_never_answers__returns_at_once_and_counts_what_has_no_room() -> None:
    writer, before = FakeWriter(), dropped()
    sink = sink_to(writer, capacity=50)
    sink.put(line_of(0))
    wait_for(lambda: writer.calls == 1)  # and there it stays

    for number in range(1, 81):
        sink.put(line_of(number))

    assert (writer.calls, writer.threads, writer.events) == (1, {"log-sink"}, [])
    assert dropped() - before == 30
    writer.gate.set()
    wait_for(lambda: len(writer.events) == 51)
    assert numbers_of(writer.events) == list(range(51))
    assert writer.threads == {"log-sink"}


def test_put__the_table_is_down_for_a_while__loses_nothing_that_found_room() -> None:
    writer, before = FakeWriter(failures=[OSError()] * 4), dropped()
    writer.gate.set()
    sink = sink_to(writer)

    for number in range(25):
        sink.put(line_of(number))

    wait_for(lambda: len(writer.events) == 25)
    assert numbers_of(writer.events) == list(range(25))
    assert (writer.failures, dropped() - before) == ([], 0)


def test_put__what_the_table_never_takes__is_dropped_and_the_rest_goes_on() -> None:
    writer, before = FakeWriter(failures=[RecordsRefused()]), dropped()
    sink = sink_to(writer, batch=10)
    for number in range(25):
        sink.put(line_of(number))

    writer.gate.set()

    wait_for(lambda: len(writer.events) == 15)
    assert numbers_of(writer.events) == list(range(10, 25))
    assert dropped() - before == 10


def test_put__no_line_of_ours__is_dropped_alone() -> None:
    writer, before = FakeWriter(), dropped()
    writer.gate.set()
    sink = sink_to(writer)

    for line in (b"no json", b"[]", b"{}", line_of(7)):
        sink.put(line)

    wait_for(lambda: bool(writer.events))
    assert (numbers_of(writer.events), dropped() - before) == ([7], 3)


def test_stop__lines_wait__writes_them_and_takes_no_more() -> None:
    writer, before = FakeWriter(), dropped()
    writer.gate.set()
    sink = LogSink(writer, gather_seconds=60)
    for number in range(25):
        sink.put(line_of(number))

    sink.stop()
    sink.put(line_of(25))

    assert numbers_of(writer.events) == list(range(25))
    assert dropped() - before == 1


def test_stop__the_table_is_down__gives_up_after_one_try() -> None:
    writer, before = FakeWriter(failures=[OSError()] * 100), dropped()
    writer.gate.set()
    sink = LogSink(writer, batch=10, gather_seconds=60, pauses=(60, 60))
    for number in range(25):
        sink.put(line_of(number))

    sink.stop(_PATIENCE_SECONDS)

    assert (writer.calls, dropped() - before) == (1, 25)


def test_sink_of__logging_is_set_up_twice__is_the_same() -> None:
    options = {"url": "one", "writer": f"{__name__}.make_writer"}

    first, again, other = sink_of(options), sink_of(dict(options)), sink_of(options | {"url": "two"})

    assert first is again
    assert first is not other

"""The relay between an outbox and a publisher that fail as told."""

import datetime as dt
import threading
from collections.abc import Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest

from bookwell.contracts.messages import Envelope
from bookwell.kit.outbox.relay import Claim, Claimed, Relay
from bookwell.kit.outbox.rules import Pace

_NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
_SECOND = dt.timedelta(seconds=1)


def _row(number: int, *, queue: str = "mail", attempts: int = 1) -> Claimed:
    envelope = Envelope(
        event_id=str(number),
        source="library",
        queue=queue,
        type="thing.changed",
        version=1,
        aggregate=f"thing:{number}",
        aggregate_version=1,
        created_at=0,
        payload={},
    )
    return Claimed(envelope, attempts)


class _Outbox:
    """Hands its rows out once and writes down what became of them."""

    def __init__(self, *rows: Claimed, source: str = "library", pace: Pace | None = None) -> None:
        self.source = source
        self.pace = pace or Pace()
        self.rows = list(rows)
        self.is_down = False
        self.limits: list[int] = []
        self.published: list[str] = []
        self.released: list[str] = []
        self.errors: list[str] = []

    def claim(self, *, now: dt.datetime, limit: int) -> Claim:
        self.limits.append(limit)
        if self.is_down:
            raise ConnectionRefusedError
        claimed, self.rows = self.rows[:limit], self.rows[limit:]
        return Claim(claimed, 7)

    def mark_published(self, rows: Sequence[Claimed], *, lease_until: int, now: dt.datetime) -> None:
        assert lease_until == 7
        self.published += [row.envelope.event_id for row in rows]

    def release(self, rows: Sequence[Claimed], error: str, *, lease_until: int, now: dt.datetime) -> None:
        assert lease_until == 7
        self.released += [row.envelope.event_id for row in rows]
        self.errors.append(error)
        self.rows += rows


class _Publisher:
    def __init__(self) -> None:
        self.bundles: list[list[str]] = []
        self.refuses_from: int | None = None
        self.refused_queue = ""

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        if envelopes[0].queue == self.refused_queue:
            raise ConnectionRefusedError("the broker does not take this queue")
        if self.refuses_from is not None and len(self.bundles) >= self.refuses_from:
            raise ConnectionResetError("the broker went away")
        self.bundles.append([envelope.event_id for envelope in envelopes])


def test_run_once__rows_of_two_queues__bundles_of_one_queue_and_twenty() -> None:
    outbox, publisher = _Outbox(*(_row(n) for n in range(25)), _row(25, queue="sms")), _Publisher()

    published = Relay([outbox], publisher).run_once(_NOW)

    assert published == 26
    assert [len(bundle) for bundle in publisher.bundles] == [20, 5, 1]
    assert publisher.bundles[-1] == ["25"]
    assert outbox.published == [str(n) for n in range(26)]
    assert outbox.released == []


def test_run_once__a_row_that_was_lost_twice__travels_alone() -> None:
    lost, trusted = _row(2, attempts=3), _row(3, attempts=2)
    outbox, publisher = _Outbox(_row(1), lost, trusted, _row(4), _row(5, attempts=9)), _Publisher()

    published = Relay([outbox], publisher).run_once(_NOW)

    assert published == 5
    assert publisher.bundles == [["1"], ["2"], ["3", "4"], ["5"]]


def test_run_once__the_publisher_refuses__gives_the_rest_back_at_once() -> None:
    outbox, publisher = _Outbox(*(_row(n) for n in range(50))), _Publisher()
    publisher.refuses_from = 1

    published = Relay([outbox], publisher).run_once(_NOW)

    assert published == 20
    assert outbox.published == [str(n) for n in range(20)]
    assert outbox.released == [str(n) for n in range(20, 50)]
    assert outbox.errors == ["ConnectionResetError: the broker went away"]


def test_run_once__one_queue_is_refused__the_other_goes_on_without_a_rest() -> None:
    outbox, publisher = _Outbox(*(_row(n, queue="library" if n % 2 else "mail") for n in range(8))), _Publisher()
    outbox.rows.sort(key=lambda row: row.envelope.queue)
    publisher.refused_queue = "library"
    relay = Relay([outbox], publisher)

    first = relay.run_once(_NOW)
    outbox.rows.append(_row(8))
    second = relay.run_once(_NOW)

    assert (first, second) == (4, 1)
    assert outbox.published == ["0", "2", "4", "6", "8"]
    assert outbox.released == ["1", "3", "5", "7"] * 2
    assert outbox.limits == [100, 100]


def test_run_once__the_publisher_stays_away__asks_with_one_row_at_growing_pauses() -> None:
    outbox, publisher = _Outbox(*(_row(n) for n in range(5))), _Publisher()
    publisher.refuses_from = 0
    relay, asked_at = Relay([outbox], publisher), list[float]()

    for tenths in range(300):
        asked = len(outbox.limits)
        relay.run_once(_NOW + tenths * _SECOND / 10)
        if len(outbox.limits) > asked:
            asked_at.append(tenths / 10)

    pauses = [later - sooner for sooner, later in pairwise(asked_at)]
    assert outbox.limits[0] == 100
    assert set(outbox.limits[1:]) == {1}
    assert pauses[0] == pytest.approx(0.2)
    assert pauses == sorted(pauses)
    assert max(pauses) <= 5.1


def test_run_once__the_publisher_is_back__goes_on_with_all() -> None:
    outbox, publisher = _Outbox(*(_row(n) for n in range(5))), _Publisher()
    publisher.refuses_from = 0
    relay = Relay([outbox], publisher)
    relay.run_once(_NOW)
    publisher.refuses_from = None

    probed = relay.run_once(_NOW + _SECOND)
    went_on = relay.run_once(_NOW + _SECOND)

    assert (probed, went_on) == (1, 4)


def test_run_once__one_database_is_down__the_other_source_goes_on() -> None:
    down, up, publisher = _Outbox(_row(1)), _Outbox(_row(2), source="tables"), _Publisher()
    down.is_down = True
    relay = Relay([down, up], publisher)

    first = relay.run_once(_NOW)
    down.is_down = False
    meanwhile = relay.run_once(_NOW + _SECOND / 10)
    later = relay.run_once(_NOW + _SECOND)

    assert (first, meanwhile, later) == (1, 0, 1)
    assert publisher.bundles == [["2"], ["1"]]


def test_run_once__the_clock_was_set_back__does_not_rest_for_longer() -> None:
    outbox, publisher = _Outbox(_row(1)), _Publisher()
    outbox.is_down = True
    relay = Relay([outbox], publisher)
    relay.run_once(_NOW)
    outbox.is_down = False

    assert relay.run_once(_NOW - dt.timedelta(hours=1)) == 1


def test_run_once__half_the_lease_is_over__gives_the_rest_back() -> None:
    outbox, publisher = _Outbox(_row(1), pace=Pace(lease=dt.timedelta(0))), _Publisher()

    assert Relay([outbox], publisher).run_once(_NOW) == 0

    assert publisher.bundles == []
    assert outbox.released == ["1"]


def test_run_once__a_slow_publisher__is_given_no_row_in_the_second_half_of_the_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outbox, publisher = _Outbox(*(_row(n) for n in range(60)), pace=Pace(lease=10 * _SECOND)), _Publisher()
    clock = SimpleNamespace(monotonic=lambda: 3.0 * len(publisher.bundles))
    monkeypatch.setattr("bookwell.kit.outbox.relay.time", clock)

    published = Relay([outbox], publisher).run_once(_NOW)

    assert published == 40
    assert outbox.released == [str(n) for n in range(40, 60)]
    assert outbox.errors == ["the lease was nearly over"]


class _Naps(threading.Event):
    """Notes after how many claims somebody wanted to sleep; the second time it is the end."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox
        self.taken: list[int] = []

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout
        self.taken.append(len(self._outbox.limits))
        if len(self.taken) > 1:
            self.set()
        return self.is_set()


def test_run__while_there_are_rows__goes_on_at_once_and_naps_only_when_there_are_none() -> None:
    outbox = _Outbox(*(_row(n) for n in range(150)))
    naps = _Naps(outbox)

    Relay([outbox], _Publisher()).run(naps)

    assert outbox.limits == [100] * 4
    assert naps.taken == [3, 4]


def test_run__told_to_stop__ends() -> None:
    outbox, publisher, stop = _Outbox(_row(1)), _Publisher(), threading.Event()
    thread = threading.Thread(target=Relay([outbox], publisher).run, args=(stop,))
    thread.start()
    while not outbox.published:
        stop.wait(0.01)

    stop.set()
    thread.join(60)

    assert not thread.is_alive()

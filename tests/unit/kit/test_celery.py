"""The Celery application's settings and tasks, without a broker."""

import datetime as dt
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from structlog.testing import capture_logs

from bookwell.contracts.messages import Envelope
from bookwell.contracts.schedule import JOBS, Job
from bookwell.kit.adapters.celery.app import CONSUME, RUN_JOB, make_app
from bookwell.kit.adapters.celery.scheduler import LivingScheduler, schedule_of
from bookwell.kit.adapters.celery.worker import LeanConsumer, Work, register_tasks
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.messaging import Consumer
from bookwell.kit.request_context import traceparent


class _Receipts:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def end(self, envelopes: Sequence[Envelope], *, now: dt.datetime) -> None:
        self.told += [("done", envelope.event_id) for envelope in envelopes]

    def refuse(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        self.told.append(("dead", envelope.event_id))

    def postpone(self, envelope: Envelope, error: str, *, now: dt.datetime) -> None:
        self.told.append(("later", envelope.event_id))


def _bundle(*names: str, queue: str = "mail") -> list[dict[str, Any]]:
    return [
        {
            "event_id": name,
            "source": "library",
            "queue": queue,
            "type": "thing.changed",
            "version": 1,
            "aggregate": "thing:1",
            "aggregate_version": 1,
            "created_at": 0,
            "payload": {},
        }
        for name in names
    ]


def _call(task: str, argument: object, work: Work) -> list[str]:
    """Run a task here; answers the events it logged."""
    app = make_app("redis://127.0.0.1:1/0")
    register_tasks(app, lambda: work)
    with capture_logs() as logs:
        app.tasks[task](argument)
    return [log["event"] for log in logs]


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_app__whatever_the_broker__trusts_it_with_nothing(url: str) -> None:
    settings = make_app(url).conf

    assert settings.task_acks_late
    assert settings.task_reject_on_worker_lost
    assert settings.worker_prefetch_multiplier == 1
    assert settings.accept_content == ["json"]
    assert settings.task_ignore_result
    assert 0 < settings.task_soft_time_limit < settings.task_time_limit
    assert settings.task_time_limit < 600  # Redis's visibility time-out: a running task is not handed out again


def test_app__on_rabbitmq__has_quorum_queues_and_confirmed_publications() -> None:
    app = make_app("amqp://127.0.0.1:1//")

    assert app.amqp.queues["mail"].queue_arguments == {"x-queue-type": "quorum"}
    assert app.conf.broker_transport_options["confirm_publish"]


def test_consumer__quorum_queues__declares_no_exchanges_for_delays() -> None:
    assert not [step for step in LeanConsumer.Blueprint.default_steps if "Delayed" in step]
    assert [step for step in LeanConsumer.Blueprint.default_steps if step.endswith(":Tasks")]


class _BrokerThatComesLate:
    """A connection that waits three times before there is a broker."""

    def __init__(self) -> None:
        self.waited: list[str] = []

    def ensure_connection(self, *_: object, callback: Callable[[], object], **__: object) -> "_BrokerThatComesLate":
        for _number in range(3):
            self.waited.append("waited")
            callback()
        return self


def test_consumer__the_broker_is_away__lives() -> None:
    living: Any = type("Living", (LeanConsumer,), {"signs": Heartbeat()})
    consumer = living.__new__(living)
    consumer.app = make_app("redis://127.0.0.1:1/0")
    consumer.first_connection_attempt, consumer.broker_connection_retry_attempt = True, 0
    broker = _BrokerThatComesLate()

    found = consumer.ensure_connected(broker)

    assert found is broker
    assert living.signs.count == len(broker.waited) == 3


def test_scheduler__the_broker_is_away__lives() -> None:
    heartbeat, broker = Heartbeat(), _BrokerThatComesLate()
    app, stop = make_app("redis://127.0.0.1:1/0"), threading.Event()
    scheduler: Any = LivingScheduler(app, heartbeat=heartbeat, stop=stop, lazy=True)
    scheduler.connection = broker

    found = scheduler._ensure_connected()  # noqa: SLF001 -- Celery's hook

    assert found is broker
    assert heartbeat.count == len(broker.waited) == 3


class _CountingScheduler(LivingScheduler):
    """Calls nobody, and knows whom it would have called."""

    called: list[str]
    producer: Any = None

    def apply_entry(self, entry: Any, producer: object = None) -> None:
        self.called.append(entry.name)


def test_scheduler__the_machines_clock_is_set_back__goes_on_calling_every_job() -> None:
    app, jobs, steady = make_app("redis://127.0.0.1:1/0"), [Job("often", "q", 30, ""), Job("seldom", "q", 900, "")], [0]
    app.conf.beat_schedule = schedule_of(jobs, steady_clock=lambda: steady[0])
    scheduler: Any = _CountingScheduler(
        app, heartbeat=Heartbeat(), stop=threading.Event(), steady_clock=lambda: steady[0], lazy=True
    )
    scheduler.setup_schedule()

    def called_at(seconds: int, *, wall: dt.datetime) -> list[str]:
        steady[0], scheduler.called = seconds, []
        with time_machine.travel(wall, tick=False):
            for _ in range(5):
                scheduler.tick()
        return sorted(scheduler.called)

    noon = dt.datetime(2030, 5, 6, 12, tzinfo=dt.UTC)
    eleven = noon - dt.timedelta(hours=1)
    calls = [called_at(0, wall=noon), called_at(29, wall=noon), called_at(31, wall=eleven), called_at(901, wall=eleven)]

    assert calls == [["often", "seldom"], [], ["often"], ["often", "seldom"]]


def test_scheduler__told_to_stop_while_the_broker_is_away__ends() -> None:
    app, stop = make_app("redis://127.0.0.1:1/0"), threading.Event()
    scheduler: Any = LivingScheduler(app, heartbeat=Heartbeat(), stop=stop, lazy=True)
    scheduler.connection = _BrokerThatComesLate()
    stop.set()

    with pytest.raises(SystemExit):
        scheduler._ensure_connected()  # noqa: SLF001 -- Celery's hook


def test_consume__a_bundle__is_handled_and_gets_its_receipts() -> None:
    receipts, seen = _Receipts(), list[str]()
    consumer = Consumer(lambda envelopes: seen.extend(one.event_id for one in envelopes))

    _call(CONSUME, _bundle("a", "b"), Work(consumers={"mail": consumer}, receipts_of={"library": receipts}))

    assert seen == ["a", "b"]
    assert receipts.told == [("done", "a"), ("done", "b")]


@pytest.mark.parametrize(
    "bundle", [[], [{}], [{"event_id": "a"}], "text", None, [None], _bundle("a", queue="nobody's")]
)
def test_consume__a_bundle_that_nobody_can_read__is_dropped_without_an_error(bundle: object) -> None:
    receipts, seen = _Receipts(), list[str]()
    consumer = Consumer(lambda envelopes: seen.extend(one.event_id for one in envelopes))

    events = _call(CONSUME, bundle, Work(consumers={"mail": consumer}, receipts_of={"library": receipts}))

    assert events == ["bundle.dropped"]
    assert (seen, receipts.told) == ([], [])


def test_consume__out_of_time__all_come_again_and_nothing_is_tried_alone() -> None:
    receipts, calls = _Receipts(), list[int]()

    def hang(envelopes: Sequence[Envelope]) -> None:
        calls.append(len(envelopes))
        raise SoftTimeLimitExceeded

    work = Work(consumers={"mail": Consumer(hang)}, receipts_of={"library": receipts})
    _call(CONSUME, _bundle("a", "b"), work)

    assert calls == [2]
    assert receipts.told == [("later", "a"), ("later", "b")]


def test_run_job__known__runs() -> None:
    runs = list[str]()

    assert _call(RUN_JOB, "library.expire", Work(jobs={"library.expire": lambda: runs.append("ran")})) == []
    assert runs == ["ran"]


def test_run_job__each_run__begins_a_trace() -> None:
    seen = list[str]()

    for _ in range(2):
        _call(RUN_JOB, "library.expire", Work(jobs={"library.expire": lambda: seen.append(traceparent())}))

    assert [len(context) for context in seen] == [55, 55]
    assert seen[0][3:35] != seen[1][3:35]
    assert traceparent() == ""


def test_run_job__unknown__is_dropped() -> None:
    assert _call(RUN_JOB, "library.unheard_of", Work()) == ["job.unknown"]


def test_run_job__fails__is_logged_alone() -> None:
    def fail() -> None:
        raise OSError

    assert _call(RUN_JOB, "library.expire", Work(jobs={"library.expire": fail})) == ["job.failed"]


def test_work__opened_once_a_process_and_again_if_it_failed() -> None:
    app, attempts = make_app("redis://127.0.0.1:1/0"), list[int]()

    def open_work() -> Work:
        attempts.append(1)
        if len(attempts) == 1:
            raise ConnectionRefusedError
        return Work(jobs={"job": lambda: None})

    register_tasks(app, open_work)

    with pytest.raises(ConnectionRefusedError):
        app.tasks[RUN_JOB]("job")
    app.tasks[RUN_JOB]("job")
    app.tasks[RUN_JOB]("job")

    assert len(attempts) == 2


def test_schedule__every_job__goes_to_its_queue_and_expires() -> None:
    schedule = schedule_of(JOBS)

    assert {(name, line["args"], line["options"]["queue"]) for name, line in schedule.items()} == {
        (job.name, (job.name,), job.queue) for job in JOBS
    }
    assert all(line["task"] == RUN_JOB for line in schedule.values())


@pytest.mark.parametrize(("seconds", "expires"), [(1, 60), (30, 60), (900, 1800)])
def test_schedule__a_call_that_nobody_takes__expires_later_than_clocks_differ(seconds: int, expires: int) -> None:
    [line] = schedule_of([Job("library.job", "library", seconds, "")]).values()

    assert line["options"]["expires"] == expires

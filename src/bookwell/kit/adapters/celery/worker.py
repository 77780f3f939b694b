"""Worker processes: they handle the bundles and run the jobs of some queues.

A worker forks its processes before it has opened anything; each opens what it works with by itself. A task never
fails for Celery: what went wrong is said to the rows, or the schedule calls again.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import structlog
from celery import Celery
from celery.bootsteps import StartStopStep
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready
from celery.worker.consumer import Consumer as CeleryConsumer

from bookwell.contracts.messages import Envelope
from bookwell.kit.adapters.celery.app import CONSUME, RUN_JOB, make_app
from bookwell.kit.adapters.celery.queue_repair import repair_queues
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.log_sink import stop_sinks
from bookwell.kit.messaging import Consumer, Receipts, consume
from bookwell.kit.orphans import die_with_parent
from bookwell.kit.tracing import continue_trace

__all__ = ["LeanConsumer", "Work", "register_tasks", "run_worker"]

# What workers tell one another; nobody here listens.
_SILENT: Mapping[str, Any] = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}

_BEAT_SECONDS = 1

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Work:
    """What one worker process works with: consumers by queue, jobs by name, receipts by source."""

    consumers: Mapping[str, Consumer] = field(default_factory=lambda: MappingProxyType({}))
    jobs: Mapping[str, Callable[[], object]] = field(default_factory=lambda: MappingProxyType({}))
    receipts_of: Mapping[str, Receipts] = field(default_factory=lambda: MappingProxyType({}))


class LeanConsumer(CeleryConsumer):
    """Celery's consumer, which sees to its queues whenever it has connected, and lives while it waits for a broker.

    Without the exchanges for delays that Celery declares beside quorum queues: we delay nothing.
    """

    signs = Heartbeat()

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc,valid-type]  # the stubs leave it out
        default_steps = tuple(
            step for step in CeleryConsumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        )

    def connect(self) -> Any:
        """A connection to the broker, whose queues answer."""
        connection = super().connect()
        if connection.transport.driver_type == "amqp":
            try:
                repair_queues(self.app, self._living(self.app.amqp.queues.consume_from))
            except Exception:
                connection.collect()
                raise
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, as soon as there is one; a broker that is away for hours is no reason to look dead."""
        ensure = conn.ensure_connection

        def ensure_and_live(*arguments: Any, callback: Callable[[], object], **options: Any) -> Any:
            def go_on() -> None:
                self.signs.beat()
                callback()

            return ensure(*arguments, callback=go_on, **options)

        conn.ensure_connection = ensure_and_live
        return super().ensure_connected(conn)

    def _living(self, queues: Iterable[str]) -> Iterator[str]:
        """Each of them may take its time."""
        for queue in list(queues):
            self.signs.beat()
            yield queue


def run_worker(
    broker_url: str,
    *,
    queues: Sequence[str],
    concurrency: int,
    open_work: Callable[[], Work],
    on_ready: Callable[[], None] | None = None,
    heartbeat: Heartbeat | None = None,
) -> int:
    """Work until SIGTERM, which lets running tasks finish; answers the exit code. Call it from the main thread.

    `open_work` is called once in each worker process, after the fork, and again if it failed; `on_ready` in the
    parent, when it listens to the broker. A broker that is down is waited for.
    """
    app = make_app(broker_url)
    work_of_process = register_tasks(app, open_work)
    parent = os.getpid()

    def begin(**_: Any) -> None:
        die_with_parent(parent, signal.SIGKILL)
        work_of_process()

    def tell(**_: Any) -> None:
        if on_ready is not None:
            on_ready()

    def end(**_: Any) -> None:
        stop_sinks()

    worker_process_init.connect(begin, weak=False)
    worker_process_shutdown.connect(end, weak=False)
    worker_ready.connect(tell, weak=False)
    if heartbeat is not None:
        app.steps["worker"].add(_living(heartbeat))
        app.conf.worker_consumer = type("LivingConsumer", (LeanConsumer,), {"signs": heartbeat})
    worker = app.Worker(queues=list(queues), concurrency=concurrency, pool="prefork", quiet=True, **_SILENT)
    worker.start()
    return int(worker.exitcode or 0)


def _living(heartbeat: Heartbeat) -> type[StartStopStep]:
    """A part of the worker: its main loop gives signs of life."""

    class Living(StartStopStep):
        requires = ("celery.worker.components:Timer",)

        def start(self, worker: Any) -> None:
            heartbeat.beat()
            worker.timer.call_repeatedly(_BEAT_SECONDS, heartbeat.beat)

    return Living


def register_tasks(app: Celery, open_work: Callable[[], Work]) -> Callable[[], Work]:
    """Give an application its two tasks; answers the function that opens this process's work once."""
    work_of_process = cache(open_work)

    @app.task(name=CONSUME, shared=False)
    def consume_bundle(bundle: list[Any]) -> None:
        _consume(bundle, work_of_process())

    @app.task(name=RUN_JOB, shared=False)
    def run_job(name: str) -> None:
        _run_job(name, work_of_process())

    return work_of_process


def _consume(bundle: list[Any], work: Work) -> None:
    try:
        envelopes = [Envelope.model_validate(item) for item in bundle]
        consumer = work.consumers[envelopes[0].queue]
    except Exception as error:  # noqa: BLE001 -- its rows come again, for a worker that knows more
        _log.error("bundle.dropped", error=type(error).__name__)
        return
    consume(envelopes, consumer, work.receipts_of, out_of_time=(SoftTimeLimitExceeded,))


def _run_job(name: str, work: Work) -> None:
    job = work.jobs.get(name)
    if job is None:
        _log.error("job.unknown", job=name)
        return
    with continue_trace():  # each run's own
        try:
            job()
        except Exception:  # noqa: BLE001 -- it runs again when it is due again
            _log.exception("job.failed", job=name)

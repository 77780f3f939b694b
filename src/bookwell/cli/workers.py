"""The background processes of production: relay, workers, scheduler.

Each may run any number of times, on any machine that reaches the databases and the broker.
"""

import signal
import threading
from collections.abc import Sequence
from types import FrameType

from bookwell.cli.composition import (
    NOTIFIER,
    BackgroundSettings,
    check_settings,
    jobs_of,
    open_outboxes,
    open_work,
    start,
)
from bookwell.kit.adapters.celery import CeleryPublisher, make_app, run_scheduler, run_worker
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.outbox.relay import Relay
from bookwell.kit.watchdog import Watched, watch

__all__ = ["BrokerMissing", "run_queues", "run_relay", "run_schedule", "stop_on_signals"]


class BrokerMissing(SystemExit):
    """There is no broker in the settings, and the process is nothing without one."""


def run_relay() -> None:
    """Publish what the outboxes hold, until SIGTERM.

    Raises:
        BrokerMissing, InvalidSettings
    """
    settings = start("relay", role="worker")
    publisher = CeleryPublisher(make_app(_broker_url(settings)))
    stop = threading.Event()
    stop_on_signals(stop)
    heartbeat = _watched("relay", settings)
    Relay(list(open_outboxes(settings).values()), publisher, heartbeat=heartbeat).run(stop)


def run_queues(queues: Sequence[str], *, concurrency: int) -> int:
    """Handle messages and jobs of some queues, until SIGTERM; what was begun is finished. Answers the exit status.

    Raises:
        BrokerMissing, InvalidSettings
    """
    settings = start("worker", role="worker")
    broker_url = _broker_url(settings)
    check_settings(queues)
    return run_worker(
        broker_url,
        queues=queues,
        concurrency=concurrency,
        open_work=lambda: open_work(settings, queues, service="worker"),
        heartbeat=_watched("worker", settings),
    )


def run_schedule(services: Sequence[str] = ()) -> None:
    """Call the jobs that services have in the schedule, until SIGTERM; by default those that are in use.

    Raises:
        BrokerMissing, InvalidSettings
    """
    settings = start("scheduler", role=None if services else "worker")
    heartbeat = _watched("scheduler", settings)
    jobs = jobs_of([*services, NOTIFIER] if services else settings.services)
    run_scheduler(_broker_url(settings), jobs=jobs, heartbeat=heartbeat)


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGINT and SIGTERM set an event, so that what was begun is finished."""

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)


def _watched(name: str, settings: BackgroundSettings) -> Heartbeat:
    """Signs of life of this process's main loop; without them it ends, from now on."""
    heartbeat = Heartbeat(settings.heartbeat_file)
    watch({name: Watched(heartbeat, settings.watchdog_seconds)})
    return heartbeat


def _broker_url(settings: BackgroundSettings) -> str:
    if not settings.broker_url:
        raise BrokerMissing("BOOKWELL_BROKER_URL is not set. Without a broker, `bookwell up` does this work itself.")
    return settings.broker_url

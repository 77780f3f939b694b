"""The embedded mode's background work, one process beside the servers: `python -m bookwell.cli.background`.

Without a broker the relay hands messages to their consumers itself, in this process; a sender sends what they left
to send; the scheduler's loop runs the jobs. Each is a thread. One that fails ends the process, which the supervisor
starts again: whatever was begun stands in rows.
"""

import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from bookwell.cli.composition import QUEUES, open_outboxes, open_work, start
from bookwell.cli.workers import stop_on_signals
from bookwell.contracts.schedule import JOBS, Job
from bookwell.kit.messaging import DirectPublisher
from bookwell.kit.outbox.relay import Relay

__all__ = ["run_background"]

_SENDER = "notifier.deliver"
_SENDER_SECONDS = 1.0
_LOOK_SECONDS = 0.5

_log = structlog.get_logger()


def run_background(*, stop: threading.Event, on_ready: Callable[[], None]) -> None:
    """Work until `stop` is set, or a thread fails.

    Raises:
        SystemExit: with status 1 when a thread failed.
    """
    settings = start("background")
    work = open_work(settings, QUEUES, service="background")
    wake = threading.Event()
    # The relay must not wait for a mail server: it wakes the sender and goes on.
    consumers = {queue: replace(consumer, follow_up=lambda _: wake.set()) for queue, consumer in work.consumers.items()}
    relay = Relay(list(open_outboxes(settings).values()), DirectPublisher(consumers, work.receipts_of))
    failed = _run_threads(
        {
            "relay": lambda: relay.run(stop),
            "sender": lambda: _send(work.jobs[_SENDER], wake, stop),
            "scheduler": lambda: _keep_schedule([job for job in JOBS if job.name != _SENDER], work.jobs, stop),
        },
        stop,
        on_ready,
    )
    if failed.is_set():
        raise SystemExit(1)


def _run_threads(
    works: Mapping[str, Callable[[], None]], stop: threading.Event, on_ready: Callable[[], None]
) -> threading.Event:
    """Run each in a thread until all have ended; one that fails stops the others and sets the event returned."""
    failed = threading.Event()

    def watch(name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 -- whatever it is, the process must not go on without this part
            _log.exception("background.failed", part=name)
            failed.set()
            stop.set()

    threads = [threading.Thread(target=watch, args=part, name=part[0]) for part in works.items()]
    for thread in threads:
        thread.start()
    on_ready()
    for thread in threads:
        thread.join()
    return failed


def _send(deliver: Callable[[], object], wake: threading.Event, stop: threading.Event) -> None:
    """Send what is due, as soon as the relay wakes it and every second otherwise."""
    while not stop.is_set():
        wake.wait(_SENDER_SECONDS)
        wake.clear()
        _run_job(_SENDER, deliver)


def _keep_schedule(schedule: list[Job], jobs: Mapping[str, Callable[[], object]], stop: threading.Event) -> None:
    """Run every job when its pause is over, one after the other; all are due at the start."""
    due_at = dict.fromkeys(schedule, time.monotonic())
    while not stop.wait(_LOOK_SECONDS):
        for job in schedule:
            if time.monotonic() >= due_at[job] and not stop.is_set():
                _run_job(job.name, jobs[job.name])
                due_at[job] = time.monotonic() + job.seconds


def _run_job(name: str, job: Callable[[], object]) -> None:
    """A job that fails is logged, and runs again when it is due again."""
    try:
        job()
    except Exception:  # noqa: BLE001 -- other jobs go on
        _log.exception("job.failed", job=name)


def _main() -> None:
    ready_file = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    stop = threading.Event()
    stop_on_signals(stop)
    run_background(stop=stop, on_ready=lambda: ready_file.touch() if ready_file else None)


if __name__ == "__main__":
    _main()

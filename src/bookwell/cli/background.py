"""The embedded mode's background work, one process beside the servers.

`python -m bookwell.cli.background READY_FILE SERVICE…` works for these services and loads no other.

Without a broker the relay hands messages to their consumers itself, in this process. What may have to wait for others
(a mail server, a partner library) has a thread of its own, so that nothing else waits: a sender a channel, a lane for
each other queue, one thread a job. A thread that fails ends the process, and so does one that hangs; the supervisor
starts it again: whatever was begun stands in rows.
"""

import queue
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from bookwell.cli.composition import jobs_of, open_outboxes, open_work, queues_of, start
from bookwell.cli.workers import stop_on_signals
from bookwell.contracts.messages import Envelope
from bookwell.contracts.schedule import Job
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.messaging import DirectPublisher, Publisher
from bookwell.kit.outbox.relay import Relay
from bookwell.kit.tracing import continue_trace
from bookwell.kit.watchdog import Watched, watch

__all__ = ["run_background"]

_SENDERS = frozenset({"notifier.deliver", "notifier.deliver_sms", "notifier.deliver_webhooks"})
_SENDER_SECONDS = 1.0
_DIRECT = frozenset({"mail", "sms", "webhook"})
"""Queues whose consumers wait for nobody."""
_LANE_SECONDS = 0.5
_STOP_SECONDS = 8.0
_WORK_SECONDS = 3600.0
"""Longer than any bundle, job or queue of mails takes: each is bounded by what it waits for, and there may be many."""

_log = structlog.get_logger()


def run_background(services: Collection[str], *, stop: threading.Event, on_ready: Callable[[], None]) -> None:
    """Work for some services until `stop` is set, or a thread fails.

    Raises:
        SystemExit: with status 1 when a thread failed.
    """
    settings = start("background")
    work = open_work(settings, queues_of(services), service="background")
    wakes = {name: threading.Event() for name in _SENDERS}
    # The relay must not wait for a mail server: it wakes the senders and goes on.
    consumers = {
        name: replace(consumer, follow_up=partial(_wake_all, tuple(wakes.values())))
        for name, consumer in work.consumers.items()
    }
    publisher = DirectPublisher(consumers, work.receipts_of)
    lanes = {name: _Lane(publisher) for name in consumers.keys() - _DIRECT}
    jobs = [job for job in jobs_of(services) if job.name not in _SENDERS]
    outboxes = list(open_outboxes(settings, services).values())
    threads: dict[str, _Work] = {
        "relay": lambda stop, heartbeat: Relay(outboxes, _Lanes(publisher, lanes), heartbeat=heartbeat).run(stop)
    }
    threads |= {name: partial(_send, name, work.jobs[name], wake) for name, wake in wakes.items()}
    threads |= {f"lane {name}": lane.run for name, lane in lanes.items()}
    threads |= {job.name: partial(_keep, job, work.jobs[job.name]) for job in jobs}
    heartbeats = {name: Heartbeat() for name in threads}
    _watch(heartbeats, settings.watchdog_seconds)
    works = {name: partial(thread, stop, heartbeats[name]) for name, thread in threads.items()}
    failed = _run_threads(works, stop, on_ready)
    if failed.is_set():
        raise SystemExit(1)


_Work = Callable[[threading.Event, Heartbeat], None]
"""A thread's, until the event is set; every turn of its loop is a sign of life."""


def _watch(heartbeats: Mapping[str, Heartbeat], seconds: float) -> None:
    """End this process when the relay is silent for so long, or what may have much to do for far longer."""
    patience = max(seconds, _WORK_SECONDS) if seconds else 0
    watch(
        {name: Watched(heartbeat, seconds if name == "relay" else patience) for name, heartbeat in heartbeats.items()}
    )


class _Lane:
    """A queue's own thread. What waits in it is lost with the process, and comes again as rows without a receipt."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._bundles: queue.SimpleQueue[Sequence[Envelope]] = queue.SimpleQueue()

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Leave a bundle for the thread."""
        self._bundles.put(envelopes)

    def run(self, stop: threading.Event, heartbeat: Heartbeat) -> None:
        """Consume bundles until told to stop."""
        while not stop.is_set():
            heartbeat.beat()
            try:
                self._publisher.publish(self._bundles.get(timeout=_LANE_SECONDS))
            except queue.Empty:
                continue


class _Lanes:
    """Publishes into the queue's lane, or on the spot where it has none."""

    def __init__(self, direct: Publisher, lanes: Mapping[str, Publisher]) -> None:
        self._direct = direct
        self._lanes = lanes

    def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Hand on one queue's bundle."""
        self._lanes.get(envelopes[0].queue, self._direct).publish(envelopes)


def _run_threads(
    works: Mapping[str, Callable[[], None]], stop: threading.Event, on_ready: Callable[[], None]
) -> threading.Event:
    """Run each in a thread until `stop` is set; one that fails stops the others and sets the event returned.

    Threads that wait for others when it is time to stop are left behind.
    """
    failed = threading.Event()

    def watch(name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:  # noqa: BLE001 -- SystemExit, too: the process must not go on without this part
            _log.exception("background.failed", part=name)
            failed.set()
            stop.set()

    threads = [threading.Thread(target=watch, args=part, name=part[0], daemon=True) for part in works.items()]
    for thread in threads:
        thread.start()
    on_ready()
    stop.wait()
    deadline = time.monotonic() + _STOP_SECONDS
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return failed


def _wake_all(wakes: Sequence[threading.Event], _: Sequence[Envelope]) -> None:
    for wake in wakes:
        wake.set()


def _send(
    name: str, deliver: Callable[[], object], wake: threading.Event, stop: threading.Event, heartbeat: Heartbeat
) -> None:
    """Send what is due over a channel, as soon as the relay wakes it and every second otherwise."""
    while not stop.is_set():
        heartbeat.beat()
        wake.wait(_SENDER_SECONDS)
        wake.clear()
        _run_job(name, deliver)


def _keep(job: Job, work: Callable[[], object], stop: threading.Event, heartbeat: Heartbeat) -> None:
    """Run a job at the start, and again whenever its pause is over."""
    while not stop.is_set():
        heartbeat.beat()
        _run_job(job.name, work)
        stop.wait(job.seconds)


def _run_job(name: str, job: Callable[[], object]) -> None:
    """A job that fails is logged, and runs again when it is due again. Each run begins a trace."""
    with continue_trace():
        try:
            job()
        except Exception:  # noqa: BLE001 -- other jobs go on
            _log.exception("job.failed", job=name)


def _main() -> None:
    ready_file, *services = sys.argv[1:]
    stop = threading.Event()
    stop_on_signals(stop)
    run_background(services, stop=stop, on_ready=Path(ready_file).touch)


if __name__ == "__main__":
    _main()

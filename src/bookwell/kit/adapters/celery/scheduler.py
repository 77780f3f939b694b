"""The scheduler: calls jobs by the schedule. It keeps no state; every job finds in its rows what is due.

Each job is called at the start, because nobody knows when it was called last, and by the steady clock from then on:
Celery's own would call nobody for an hour after the machine's clock was set back by one.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from celery import Celery
from celery.apps.beat import Beat
from celery.beat import Scheduler, Service
from celery.schedules import schedstate, schedule

from bookwell.contracts.schedule import Job
from bookwell.kit.adapters.celery.app import RUN_JOB, make_app
from bookwell.kit.heartbeat import Heartbeat

__all__ = ["LivingScheduler", "SteadySchedule", "run_scheduler", "schedule_of"]

_LEAST_EXPIRY_SECONDS = 60
"""Longer than clocks of two machines differ: else a worker whose clock is ahead would drop every call."""
_LONGEST_NAP_SECONDS = 1
"""At every look at the schedule it gives a sign of life, and sees that it was told to stop."""

_log = structlog.get_logger()


def run_scheduler(broker_url: str, *, jobs: Sequence[Job], heartbeat: Heartbeat | None = None) -> None:
    """Call jobs until SIGTERM. A broker that is down misses calls; there may be several schedulers."""
    app = make_app(broker_url)
    app.conf.beat_schedule = schedule_of(jobs)
    _run_beat(app, heartbeat or Heartbeat())


class SteadySchedule(schedule):
    """Due at once, then so many seconds after each call, whatever happens to the machine's clock."""

    def __init__(self, seconds: float, *, steady_clock: Callable[[], float]) -> None:
        super().__init__(run_every=seconds)
        self._pause = seconds
        self._clock = steady_clock
        self._due_at = -math.inf

    def is_due(self, last_run_at: object) -> schedstate:  # noqa: ARG002 -- Celery's hook; a time of the other clock
        """Whether to call now, and the seconds until the next look."""
        left = self._due_at - self._clock()
        return schedstate(is_due=left <= 0, next=left if left > 0 else self._pause)

    def note_call(self) -> None:
        """It is called now."""
        self._due_at = self._clock() + self._pause


def schedule_of(
    jobs: Sequence[Job], *, steady_clock: Callable[[], float] = time.monotonic
) -> Mapping[str, dict[str, Any]]:
    """Beat's schedule: a call that nobody took until the next but one is worth nothing any more."""
    return {
        job.name: {
            "task": RUN_JOB,
            "schedule": SteadySchedule(job.seconds, steady_clock=steady_clock),
            "args": (job.name,),
            "options": {"queue": job.queue, "expires": max(2 * job.seconds, _LEAST_EXPIRY_SECONDS)},
        }
        for job in jobs
    }


def _run_beat(app: Celery, heartbeat: Heartbeat) -> None:
    stop = threading.Event()
    made: Any = partial(LivingScheduler, heartbeat=heartbeat, stop=stop)  # Celery takes what it can call, too
    _PatientBeat(stop, app=app, scheduler_cls=made, quiet=True, loglevel="INFO").run()


class _PatientBeat(Beat):
    """Celery's own, which finishes the call that it has begun; else a signal would end it anywhere within one."""

    def __init__(self, stop: threading.Event, **options: Any) -> None:
        super().__init__(**options)
        self._stop = stop

    def install_sync_handler(self, service: Service) -> None:  # noqa: ARG002 -- Celery's hook
        """Let SIGINT and SIGTERM end it at the next look at the schedule."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stop.set())


class LivingScheduler(Scheduler):
    """Celery's own, which gives a sign of life whenever it looks at the schedule, and ends there when it is told to."""

    max_interval = _LONGEST_NAP_SECONDS

    def __init__(
        self,
        *arguments: Any,
        heartbeat: Heartbeat,
        stop: threading.Event,
        steady_clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._heartbeat = heartbeat
        self._stop = stop
        self._clock = steady_clock

    def tick(self, *arguments: Any, **options: Any) -> Any:
        """Call what is due; answers how long it may sleep.

        Raises:
            SystemExit: when it was told to stop.
        """
        self._go_on()
        return super().tick(*arguments, **options)

    def reserve(self, entry: Any) -> Any:
        """The entry for the call after the one that is made now."""
        entry.schedule.note_call()
        return super().reserve(entry)

    def _when(self, _entry: Any, seconds: float, *_: Any) -> float:
        """When to look at an entry, by the clock that its schedule goes by."""
        return self._clock() + seconds

    def _go_on(self) -> None:
        self._heartbeat.beat()
        if self._stop.is_set():
            raise SystemExit

    def _ensure_connected(self) -> Any:
        """Wait for the broker, alive; Celery's own waits without a sign."""
        return self.connection.ensure_connection(_tell_of_waiting, callback=self._go_on)


def _tell_of_waiting(error: Exception, seconds: float) -> None:
    _log.warning("scheduler.waits_for_broker", error=type(error).__name__, seconds=seconds)

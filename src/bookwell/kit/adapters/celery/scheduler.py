"""The scheduler: calls jobs by the schedule. It keeps no state; every job finds in its rows what is due."""

from collections.abc import Mapping, Sequence
from typing import Any

from celery import Celery

from bookwell.contracts.schedule import Job
from bookwell.kit.adapters.celery.app import RUN_JOB, make_app

__all__ = ["run_scheduler", "schedule_of"]

_LEAST_EXPIRY_SECONDS = 60
"""Longer than clocks of two machines differ: else a worker whose clock is ahead would drop every call."""


def run_scheduler(broker_url: str, *, jobs: Sequence[Job]) -> None:
    """Call jobs until SIGTERM. A broker that is down misses calls; there may be several schedulers."""
    app = make_app(broker_url)
    app.conf.beat_schedule = schedule_of(jobs)
    _run_beat(app)


def schedule_of(jobs: Sequence[Job]) -> Mapping[str, dict[str, Any]]:
    """Beat's schedule: a call that nobody took until the next but one is worth nothing any more."""
    return {
        job.name: {
            "task": RUN_JOB,
            "schedule": job.seconds,
            "args": (job.name,),
            "options": {"queue": job.queue, "expires": max(2 * job.seconds, _LEAST_EXPIRY_SECONDS)},
        }
        for job in jobs
    }


def _run_beat(app: Celery) -> None:
    app.Beat(scheduler_cls="celery.beat:Scheduler", quiet=True, loglevel="INFO").run()

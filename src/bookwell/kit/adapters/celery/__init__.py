"""The kit's side of Celery: a broker carries bundles of messages and the scheduler's calls; rows decide everything."""

from bookwell.kit.adapters.celery.app import make_app
from bookwell.kit.adapters.celery.publisher import CeleryPublisher
from bookwell.kit.adapters.celery.scheduler import run_scheduler
from bookwell.kit.adapters.celery.worker import Work, run_worker

__all__ = ["CeleryPublisher", "Work", "make_app", "run_scheduler", "run_worker"]

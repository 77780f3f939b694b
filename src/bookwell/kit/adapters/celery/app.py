"""The Celery application: on RabbitMQ (quorum queues, publisher confirms) or on Redis, by the broker's URL.

It is not trusted to keep anything: what it loses comes again from rows. So there are no results, no retries and no
delays of Celery's, and nothing but JSON.
"""

import logging
from typing import Any

from celery import Celery
from celery.signals import setup_logging

__all__ = ["CONSUME", "RUN_JOB", "make_app"]

CONSUME = "bookwell.consume"
RUN_JOB = "bookwell.run_job"

_SOFT_LIMIT_SECONDS = 60
_HARD_LIMIT_SECONDS = 90
_CONNECT_SECONDS = 3
# Whoever publishes fails after a few seconds; rows or the next call of the schedule make up for it.
_PUBLISH_RETRIES = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
_AMQP_OPTIONS = {"confirm_publish": True, "read_timeout": 20, "write_timeout": 20}
# A restarted worker's unacknowledged messages come again after this; their rows come sooner or know better.
_REDIS_OPTIONS = {
    "visibility_timeout": 600,
    "socket_connect_timeout": _CONNECT_SECONDS,
    "socket_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
_QUIET_BELOW_WARNING = ("celery.app.trace", "celery.worker.strategy", "celery.beat")


def make_app(broker_url: str) -> Celery:
    """An application for `amqp://…` or `redis://…`; it has no tasks yet and has connected to nothing."""
    app = Celery("bookwell", broker=broker_url, fixups=[], set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=_CONNECT_SECONDS,
        broker_heartbeat=30,
        broker_transport_options=_transport_options(broker_url),
        enable_utc=True,
        task_acks_late=True,
        task_create_missing_queue_type="quorum",
        task_ignore_result=True,
        task_publish_retry_policy=_PUBLISH_RETRIES,
        task_reject_on_worker_lost=True,
        task_serializer="json",
        task_soft_time_limit=_SOFT_LIMIT_SECONDS,
        task_time_limit=_HARD_LIMIT_SECONDS,
        # A task that was begun is finished and writes its receipt, though its acknowledgement is lost.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_consumer="bookwell.kit.adapters.celery.worker:LeanConsumer",
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,
        worker_proc_alive_timeout=60,
        worker_redirect_stdouts=False,
    )
    return app


def _transport_options(broker_url: str) -> dict[str, Any]:
    own = _REDIS_OPTIONS if broker_url.startswith(("redis", "sentinel")) else _AMQP_OPTIONS
    return _PUBLISH_RETRIES | own


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Stand in for Celery's set-up of logging: the process has one, and a line for every task tells nobody anything."""
    for name in _QUIET_BELOW_WARNING:
        logging.getLogger(name).setLevel(logging.WARNING)

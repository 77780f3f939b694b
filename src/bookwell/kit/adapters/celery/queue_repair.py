"""Queues that a crash of RabbitMQ has left without anybody behind them.

A quorum queue that was declared a moment before the broker was killed may be known afterwards, and answer nothing for
ever: it confirms no publication, and who wants to consume from it hangs. What it held comes again from rows, so it is
deleted and declared anew.
"""

from collections.abc import Iterable
from typing import Any

import structlog
from celery import Celery
from kombu import Connection

__all__ = ["repair_queues"]

_ANSWER_SECONDS = 10
_DELETE_SECONDS = 30

_log = structlog.get_logger()


def repair_queues(app: Celery, names: Iterable[str]) -> None:
    """Declare queues, and replace those that do not answer.

    Raises:
        Exception: kombu's or amqp's, when the broker does not answer at all.
    """
    for name in names:
        with _connection(app, _ANSWER_SECONDS) as connection:
            channel: Any = connection.default_channel
            app.amqp.queues[name](channel).declare()
            try:
                channel.basic_get(name)  # what it gives goes back when the connection ends
            except TimeoutError:
                is_broken = True
                connection.collect()
            else:
                is_broken = False
        if is_broken:
            _log.warning("queue.replaced", queue=name)
            with _connection(app, _DELETE_SECONDS) as connection:
                channel = connection.default_channel
                channel.queue_delete(name)
                app.amqp.queues[name](channel).declare()


def _connection(app: Celery, seconds: int) -> Connection:
    connection: Connection = app.connection_for_write()
    connection.transport_options = (connection.transport_options or {}) | {"read_timeout": seconds}
    return connection

"""What each parallel process of a run has to itself on the servers that all share.

Without that, programs of one test take the messages of another that runs beside it, or count against its limits.
"""

import os
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from kombu import Connection

__all__ = ["empty_redis", "forget_queues", "own_database", "own_virtual_host"]


def own_database(redis_url: str) -> str:
    """The address with this process's database; where there is only one process, as it is.

    A Redis has sixteen databases unless told otherwise.
    """
    process = _process()
    number = re.sub(r"\D", "", process)
    return urlunsplit(urlsplit(redis_url)._replace(path=f"/{int(number) + 1}")) if process else redis_url


def own_virtual_host(rabbitmq_url: str) -> str:
    """The address with this process's virtual host, `gw0` and so on; where there is only one process, as it is."""
    process = _process()
    return urlunsplit(urlsplit(rabbitmq_url)._replace(path=f"/{process}")) if process else rabbitmq_url


def empty_redis(url: str) -> None:
    """Forget all that is in the database."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


def forget_queues(url: str, names: Sequence[str]) -> None:
    """Delete queues of RabbitMQ with all that earlier tests left in them; those that are not there are no matter."""
    with Connection(url) as connection:
        channel: Any = connection.default_channel
        for name in names:
            channel.queue_delete(name)


def _process() -> str:
    """How xdist calls this process; nothing where it does not run."""
    return os.environ.get("PYTEST_XDIST_WORKER", "")

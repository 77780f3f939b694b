"""The counter behind rate limits: Redis' where there is one, else this process's."""

import threading
import time

from redis import Redis

from bookwell.kit.limits import SharedCounter

__all__ = ["shared_counter"]

_PREFIX = "bookwell:limits:"
_SECONDS = 0.1
_MOST_KEYS = 100_000


def shared_counter(redis_url: str) -> SharedCounter:
    """A counter that all processes share, or one for the threads of this process when the URL is empty."""
    return _redis_counter(redis_url) if redis_url else _process_counter()


def _redis_counter(redis_url: str) -> SharedCounter:
    redis = Redis.from_url(redis_url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)

    def add(key: str, amount: int, seconds: int) -> int:
        with redis.pipeline(transaction=False) as pipeline:
            pipeline.incrby(_PREFIX + key, amount)
            pipeline.expire(_PREFIX + key, seconds)
            told, _ = pipeline.execute()
        return int(told)

    return add


def _process_counter() -> SharedCounter:
    guard = threading.Lock()
    counts: dict[str, tuple[float, int]] = {}

    def add(key: str, amount: int, seconds: int) -> int:
        now = time.monotonic()
        with guard:
            if len(counts) >= _MOST_KEYS:
                counts.clear()
            until, count = counts.get(key, (now + seconds, 0))
            count = amount if until <= now else count + amount
            counts[key] = (until if until > now else now + seconds, count)
            return count

    return add

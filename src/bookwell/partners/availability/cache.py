"""Where answers are remembered, and the short locks that let one process at a time ask for a key.

In Redis they are shared by all processes; without it, by the threads of one. A cache that fails is as none: nothing
is found, nothing is kept, and every lock is had, so that readers are served.
"""

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Protocol

import structlog
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from bookwell.partners.availability.rules import Remembered

__all__ = ["AnswerCache", "ProcessCache", "RedisCache"]

_PREFIX = "bookwell:partners:1:"  # the number changes with the shape of what is kept
_MOST_ANSWERS = 50_000
_REDIS_SECONDS = 0.1  # a Redis that is slower than this costs more than it saves
_REST_SECONDS = 2.0
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

_log = structlog.get_logger()


class AnswerCache(Protocol):
    """Remembers answers by key. Never raises."""

    def find(self, keys: Sequence[str]) -> list[Remembered | None]:
        """What is remembered of each key."""

    def remember(self, key: str, fetched_at: float, content: Mapping[str, Any], seconds: float) -> None:
        """Keep an answer for so long."""

    def forget(self, key: str) -> None:
        """Drop an answer."""

    def lock(self, key: str, seconds: float) -> str | None:
        """A token when the key is ours to ask for, at most so long; None while another asks."""

    def unlock(self, key: str, token: str) -> None:
        """Give a key back, unless another has it by now."""


class ProcessCache:
    """Answers of this process, the least used dropped beyond a bound."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._answers: OrderedDict[str, tuple[float, Remembered]] = OrderedDict()
        self._locks: dict[str, tuple[float, str]] = {}

    def find(self, keys: Sequence[str]) -> list[Remembered | None]:
        """See AnswerCache."""
        now = time.monotonic()
        with self._guard:
            return [self._find_one(key, now) for key in keys]

    def _find_one(self, key: str, now: float) -> Remembered | None:
        kept = self._answers.get(key)
        if kept is None:
            return None
        if kept[0] < now:
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        return kept[1]

    def remember(self, key: str, fetched_at: float, content: Mapping[str, Any], seconds: float) -> None:
        """See AnswerCache."""
        with self._guard:
            self._answers[key] = (time.monotonic() + seconds, Remembered(fetched_at, content))
            self._answers.move_to_end(key)
            if len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)

    def forget(self, key: str) -> None:
        """See AnswerCache."""
        with self._guard:
            self._answers.pop(key, None)

    def lock(self, key: str, seconds: float) -> str | None:
        """See AnswerCache."""
        now = time.monotonic()
        with self._guard:
            held = self._locks.get(key)
            if held is not None and now < held[0]:
                return None
            token = token_hex(8)
            self._locks[key] = (now + seconds, token)
            return token

    def unlock(self, key: str, token: str) -> None:
        """See AnswerCache."""
        with self._guard:
            if self._locks.get(key, (0.0, ""))[1] == token:
                del self._locks[key]


class RedisCache:
    """Answers that all processes share. After a failure Redis is left alone for two seconds."""

    def __init__(self, redis_url: str) -> None:
        self._redis: Any = Redis.from_url(
            redis_url,
            socket_timeout=_REDIS_SECONDS,
            socket_connect_timeout=_REDIS_SECONDS,
            retry=Retry(NoBackoff(), 1),  # one: an idle connection may have been closed by the server
        )
        self._rests_until = 0.0

    def find(self, keys: Sequence[str]) -> list[Remembered | None]:
        """See AnswerCache."""
        found = self._ask("mget", [_PREFIX + key for key in keys])
        return [None] * len(keys) if found is None else [_parse(raw) for raw in found]

    def remember(self, key: str, fetched_at: float, content: Mapping[str, Any], seconds: float) -> None:
        """See AnswerCache."""
        raw = json.dumps({"fetched_at": fetched_at, "content": content}, separators=(",", ":"))
        self._ask("set", _PREFIX + key, raw, px=max(1, int(seconds * 1000)))

    def forget(self, key: str) -> None:
        """See AnswerCache."""
        self._ask("delete", _PREFIX + key)

    def lock(self, key: str, seconds: float) -> str | None:
        """See AnswerCache."""
        token = token_hex(8)
        name = f"{_PREFIX}lock:{key}"
        is_ours = self._ask("set", name, token, nx=True, px=max(1, int(seconds * 1000)), failing=True)
        return token if is_ours else None

    def unlock(self, key: str, token: str) -> None:
        """See AnswerCache."""
        self._ask("eval", _UNLOCK, 1, f"{_PREFIX}lock:{key}", token)

    def check(self) -> None:
        """Whether Redis answers; for health.

        Raises:
            RedisError
        """
        self._redis.ping()

    def _ask(self, command: str, *arguments: Any, failing: Any = None, **options: Any) -> Any:
        """Redis' answer, or `failing` while it does not answer."""
        if time.monotonic() < self._rests_until:
            return failing
        try:
            return getattr(self._redis, command)(*arguments, **options)
        except (RedisError, OSError):
            self._rests_until = time.monotonic() + _REST_SECONDS
            _log.warning("partners.cache_failed", command=command, exc_info=True)
            return failing


def _parse(raw: bytes | None) -> Remembered | None:
    """A value of ours; anything else counts as nothing."""
    if raw is None:
        return None
    try:
        value = json.loads(raw)
        return Remembered(float(value["fetched_at"]), dict(value["content"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from redis import Redis

from bookwell.partners.availability.cache import AnswerCache, ProcessCache, RedisCache
from tests.infrastructure.servers import free_port


@pytest.fixture(params=["process", "redis"])
def cache(request: pytest.FixtureRequest) -> Iterator[AnswerCache]:
    if request.param == "process":
        yield ProcessCache()
        return
    url = request.getfixturevalue("redis_url")
    redis = Redis.from_url(url)
    redis.flushdb()
    yield RedisCache(url)
    redis.close()


def test_find__remembered__is_found_with_its_time(cache: AnswerCache) -> None:
    cache.remember("a", 1000.5, {"state": "available"}, 60)

    missing, found = cache.find(["b", "a"])

    assert missing is None
    assert found is not None
    assert (found.fetched_at, dict(found.content)) == (1000.5, {"state": "available"})


def test_find__too_old_or_forgotten__is_not_found(cache: AnswerCache) -> None:
    cache.remember("a", 1, {}, 0.01)
    cache.remember("b", 1, {}, 60)
    cache.forget("b")
    time.sleep(0.05)

    assert cache.find(["a", "b"]) == [None, None]


def test_lock__held__is_had_by_nobody_else(cache: AnswerCache) -> None:
    token = cache.lock("a", 60)

    assert token is not None
    assert cache.lock("a", 60) is None
    cache.unlock("a", token)
    assert cache.lock("a", 60) is not None


def test_lock__its_time_is_over__is_anothers_and_stays_so(cache: AnswerCache) -> None:
    late = cache.lock("a", 0.01)
    time.sleep(0.05)
    assert cache.lock("a", 60) is not None

    assert late is not None
    cache.unlock("a", late)

    assert cache.lock("a", 60) is None


def test_redis__it_is_down__is_as_no_cache() -> None:
    cache = RedisCache(f"redis://127.0.0.1:{free_port()}")

    cache.remember("a", 1, {}, 60)

    assert cache.find(["a", "b"]) == [None, None]
    assert cache.lock("a", 1) is not None


def test_redis__it_hangs__is_left_alone_for_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = RedisCache(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        found = [cache.find(["a"]) for _ in range(20)]
        connections = _accepted(silent)

    assert found == [[None]] * 20
    assert 1 <= connections < 20


def _accepted(server: socket.socket) -> int:
    """How many have connected."""
    server.setblocking(False)
    number = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            number += 1
    return number


@pytest.mark.parametrize("value", [b"", b"[]", b"{}", b'{"fetched_at": "x", "content": {}}', b"\xff", b"[" * 100_000])
def test_redis__somebody_elses_value__counts_as_none(redis_url: str, value: bytes) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set("bookwell:partners:1:odd", value)

    assert RedisCache(redis_url).find(["odd"]) == [None]

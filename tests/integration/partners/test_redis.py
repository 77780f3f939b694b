"""Answers that all processes share."""

import json

import pytest
from redis import Redis

from tests.fake_partners import ISBN, FakeAdapter, in_world
from tests.infrastructure.servers import free_port


@pytest.fixture
def empty_redis(redis_url: str) -> str:
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    return redis_url


def test_status__with_redis__its_answers_are_found_there(empty_redis: str) -> None:
    with in_world({"a": FakeAdapter()}, redis_url=empty_redis) as world:
        world.client.get("/status/1")

    with Redis.from_url(empty_redis) as redis:
        kept = json.loads(redis.get(f"bookwell:partners:1:availability:a:{ISBN}"))
        seconds = redis.ttl(f"bookwell:partners:1:availability:a:{ISBN}")
        locks = list(redis.scan_iter("*lock*"))
    assert kept["content"]["state"] == "available"
    assert 86_000 < seconds <= 86_400
    assert locks == []


def test_status__another_process_asked__is_told_without_asking(empty_redis: str) -> None:
    with in_world({"a": FakeAdapter()}, redis_url=empty_redis) as first:
        first.client.get("/status/1")
    with in_world({"a": FakeAdapter()}, redis_url=empty_redis) as second:
        told = second.client.get("/status/1").json

        assert second.adapters["a"].calls == 0
        assert second.library.seen == []
    assert told is not None
    assert told["libraries"][0]["from_cache"]


def test_status__redis_is_down__is_as_without_a_cache() -> None:
    with in_world({"a": FakeAdapter()}, redis_url=f"redis://127.0.0.1:{free_port()}") as world:
        answers = [world.client.get("/status/1") for _ in range(3)]

        assert world.adapters["a"].calls == 3
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.json["availability"] for answer in answers if answer.json] == [{"a": True}] * 3


def test_health__redis_and_library_are_down__says_so_and_is_ready() -> None:
    with in_world(redis_url=f"redis://127.0.0.1:{free_port()}") as world:
        world.library.is_down = True
        health, ready = world.client.get("/health"), world.client.get("/health/ready")

    assert health.json is not None
    assert {state["name"]: state["state"] for state in health.json["dependencies"]} == {
        "library": "down",
        "redis": "down",
    }
    assert ready.status_code == 200

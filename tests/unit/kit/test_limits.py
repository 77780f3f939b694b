import threading
from collections import Counter

import pytest
import time_machine

from bookwell.kit.limits import RateLimiter, is_loopback, subscriber_of


class SharedCounts:
    """The shared counter, in memory; remembers how often it was asked."""

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()
        self.calls = 0

    def __call__(self, key: str, amount: int, seconds: int) -> int:
        self.calls += 1
        self.sums[key] += amount
        return self.sums[key]


def allowed(limiter: RateLimiter, times: int, key: str = "caller:1") -> int:
    return sum(limiter.hit(key).is_allowed for _ in range(times))


@time_machine.travel("2026-03-01T12:00:05Z", tick=False)
def test_hit__one_process__gets_exactly_the_limit() -> None:
    limiter = RateLimiter(SharedCounts(), limit=600)

    assert allowed(limiter, 1000) == 600
    assert allowed(limiter, 10, key="caller:2") == 10


@time_machine.travel("2026-03-01T12:00:05Z", tick=False)
def test_hit__several_processes__exceed_the_limit_by_a_batch_each_at_most() -> None:
    shared = SharedCounts()
    processes = [RateLimiter(shared, limit=600) for _ in range(4)]

    total = sum(allowed(process, 1) for _ in range(1000) for process in processes)

    assert 600 <= total <= 600 + 3 * 30


@time_machine.travel("2026-03-01T12:00:05Z", tick=False)
def test_hit__small_limit__is_exact_for_any_number_of_processes() -> None:
    shared = SharedCounts()
    processes = [RateLimiter(shared, limit=5) for _ in range(3)]

    assert sum(allowed(process, 1) for _ in range(10) for process in processes) == 5


@time_machine.travel("2026-03-01T12:00:05Z", tick=False)
def test_hit__within_a_batch__asks_nobody() -> None:
    shared = SharedCounts()

    allowed(RateLimiter(shared, limit=600), 299)

    assert shared.calls == 9


def test_hit__next_window__starts_again() -> None:
    limiter = RateLimiter(SharedCounts(), limit=600)
    with time_machine.travel("2026-03-01T12:00:59Z", tick=False):
        assert allowed(limiter, 1000) == 600

    with time_machine.travel("2026-03-01T12:01:00Z", tick=False):
        assert allowed(limiter, 1000) == 600


@time_machine.travel("2026-03-01T12:00:20Z", tick=False)
def test_hit__tells_what_is_left() -> None:
    verdict = RateLimiter(SharedCounts(), limit=600).hit("caller:1")

    assert verdict.headers == {"RateLimit-Policy": '"default";q=600;w=60', "RateLimit": '"default";r=599;t=40'}


@time_machine.travel("2026-03-01T12:00:20Z", tick=False)
def test_hit__shared_counter_fails__requests_pass() -> None:
    def fail(key: str, amount: int, seconds: int) -> int:
        raise ConnectionError

    limiter = RateLimiter(fail, limit=5)

    assert allowed(limiter, 50) == 50


@time_machine.travel("2026-03-01T12:00:20Z", tick=False)
def test_hit__an_older_answer_comes_last__counts_everything() -> None:
    first_asked, second_answered = threading.Event(), threading.Event()
    shared = SharedCounts()

    def answer_the_first_last(key: str, amount: int, seconds: int) -> int:
        total = shared(key, amount, seconds)
        if total == 2:
            first_asked.set()
            assert second_answered.wait(60)
        return total

    limiter = RateLimiter(answer_the_first_last, limit=40)
    first = threading.Thread(target=allowed, args=(limiter, 2))
    first.start()
    assert first_asked.wait(60)
    allowed(limiter, 2)
    second_answered.set()
    first.join()

    assert limiter.hit("caller:1").remaining == 35


@time_machine.travel("2026-03-01T12:00:20Z", tick=False)
def test_hit__the_counter_has_not_answered_yet__counts_what_is_on_its_way() -> None:
    asked, answered = threading.Event(), threading.Event()
    shared = SharedCounts()

    def answer_late(key: str, amount: int, seconds: int) -> int:
        asked.set()
        assert answered.wait(60)
        return shared(key, amount, seconds)

    limiter = RateLimiter(answer_late, limit=40)
    limiter.hit("caller:1")
    slow = threading.Thread(target=limiter.hit, args=("caller:1",))
    slow.start()
    assert asked.wait(60)

    verdict = limiter.hit("caller:1")

    answered.set()
    slow.join()
    assert verdict.remaining == 37


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:50123", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:50123", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:0:1", "2001:db8::/64"),
        ("[2001:db8::1]:50123", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("", ""),
        ("x" * 300, "x" * 45),
        ("a:b" * 100, ("a:b" * 100)[:45]),
    ],
)
def test_subscriber_of__however_it_is_told__is_one(address: str, counted: str) -> None:
    assert subscriber_of(address) == counted


@pytest.mark.parametrize(
    ("address", "is_near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("::1234", False),
        ("192.0.2.7", False),
        ("", False),
    ],
)
def test_is_loopback__however_it_is_told(address: str, is_near: bool) -> None:
    assert is_loopback(address) is is_near

"""Rate limits: a fixed window of requests a caller, counted by every process together.

The shared counter (Redis, or the database's cache) is the truth. A process counts in memory and settles in batches of
a twentieth of the limit, so that few requests pay a round trip. The price: with n processes a caller may get up to
n - 1 batches more than the limit (600 a minute, four processes: at most 690); one process is exact, and so is any
number of them under a limit below 40. When the shared counter does not answer, requests pass.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import structlog

__all__ = ["RateLimiter", "SharedCounter", "Verdict", "counting_key", "is_loopback", "subscriber_of"]

SharedCounter = Callable[[str, int, int], int]
"""Adds an amount to a key that lives for some seconds; answers the new sum: `(key, amount, seconds) -> sum`."""

_BATCHES = 20
_LONGEST_ADDRESS = 45
"""As long as an address may be written; what is longer is none."""
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([^:]*):\d+", re.ASCII)
_MOST_CALLERS = 100_000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the limit says to one request; `reset_seconds` until the window ends."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_seconds: int
    window_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers)."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window_seconds}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_seconds}',
        }


@dataclass(slots=True)
class _Count:
    """A caller in this window: the highest sum that the shared counter told, and what it did not count yet.

    `on_its_way` was sent to the shared counter, which has not answered.
    """

    settled: int = 0
    on_its_way: int = 0
    unsettled: int = 0

    @property
    def used(self) -> int:
        """Never less than what this process let pass, whatever the order in which answers arrive."""
        return self.settled + self.on_its_way + self.unsettled


class RateLimiter:
    """At most `limit` requests a window for each key; safe to use from many threads."""

    def __init__(self, shared: SharedCounter, *, limit: int, window_seconds: int = 60) -> None:
        self._shared = shared
        self._limit = limit
        self._window_seconds = window_seconds
        self._batch = max(1, limit // _BATCHES)
        self._guard = threading.Lock()
        self._window = 0
        self._counts: dict[str, _Count] = {}

    def hit(self, key: str) -> Verdict:
        """Count one request of `key`, and say whether it may pass."""
        now = int(time.time())
        window, elapsed = divmod(now, self._window_seconds)
        with self._guard:
            if window != self._window or len(self._counts) >= _MOST_CALLERS:
                self._window, self._counts = window, {}
            count = self._counts.setdefault(key, _Count())
            count.unsettled += 1
            amount = count.unsettled if count.unsettled >= self._batch else 0
            count.unsettled -= amount
            count.on_its_way += amount
            used = count.used
        if amount:
            told = self._settle(f"{key}:{window}", amount)
            with self._guard:
                count.on_its_way -= amount
                count.settled = max(count.settled, told)
                used = count.used
        return Verdict(
            is_allowed=used <= self._limit,
            limit=self._limit,
            remaining=max(0, self._limit - used),
            reset_seconds=self._window_seconds - elapsed,
            window_seconds=self._window_seconds,
        )

    def _settle(self, key: str, amount: int) -> int:
        """The sum with `amount` in it; 0 when the shared counter does not answer, which forgets the amount."""
        try:
            return self._shared(key, amount, 2 * self._window_seconds)
        except Exception:  # noqa: BLE001 -- whatever fails in the store, readers are served
            _log.warning("limits.counter_failed", exc_info=True)
            return 0


def counting_key(caller: str | None, address: str) -> str:
    """Whom a request is counted for: its caller by name, a stranger by address."""
    return f"address:{subscriber_of(address)}" if caller is None else f"caller:{caller}"


def is_loopback(address: str) -> bool:
    """Whether the address is one of the machine itself."""
    plain = _plain(address)
    return plain.startswith("127.") or plain in ("::1", "localhost")


def subscriber_of(address: str) -> str:
    """What is counted of an address, in 45 characters at most: one subscriber of IPv6 has a whole /64."""
    plain = _plain(address)
    if ":" not in plain:
        return plain
    try:
        return str(ip_network(f"{plain}/64", strict=False))
    except ValueError:
        return plain


def _plain(address: str) -> str:
    """Without the port that some proxies add; IPv4 as itself where a socket of IPv6 tells of it."""
    if ":" not in address:
        return address[:_LONGEST_ADDRESS]
    found = _WITH_PORT.fullmatch(address)
    text = (found[1] or found[2] if found else address)[:_LONGEST_ADDRESS]
    try:
        mapped = getattr(ip_address(text), "ipv4_mapped", None)
    except ValueError:
        return text
    return str(mapped or text)

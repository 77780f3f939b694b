"""One partner as this process calls it: so many calls at once, a circuit breaker, retries, one record a call.

Availability and holds are two lines to a partner, each with slots and a breaker of its own: many may ask what it has
while its catalogue hangs, and nobody's hold is refused or kept waiting for that.

Everything here runs in the event loop's thread, so its state needs no locks.
"""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import structlog
from prometheus_client import Histogram

from bookwell.kit import clock
from bookwell.partners.adapters.protocol import Adapter, AdapterError, Failure, PartnerFailed, PartnerRefused
from bookwell.partners.availability import breaker as breakers
from bookwell.partners.availability.statistics import CallStatistics
from bookwell.partners.configuration import PartnerEntry

__all__ = ["BUSY", "CIRCUIT_OPEN", "INTERNAL", "LINES", "CallFailed", "Line", "Partner"]

LINES = 2
"""How many lines there are to a partner."""

BUSY = "busy"
CIRCUIT_OPEN = "circuit_open"
INTERNAL = "internal_error"

_ATTEMPTS = 3
_FIRST_PAUSE_SECONDS = 0.1
_SHORTEST_CALL_SECONDS = 0.05  # a call with less time than this is not begun
_UNASKED_REST_SECONDS = 1.0  # after "too many requests" that does not say for how long
_LONGEST_DETAIL = 200
_RETRIED = frozenset({Failure.UNREACHABLE, Failure.UNAVAILABLE, Failure.SERVER_ERROR, Failure.RATE_LIMITED})

_T = TypeVar("_T")
_log = structlog.get_logger()
_seconds = Histogram(
    "bookwell_partner_call_seconds",
    "Time of one call of a partner, by its outcome.",
    ("partner", "outcome"),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15),
)


class CallFailed(Exception):
    """No answer from the partner; `code` is stable. `retry_after` seconds, where somebody said so."""

    def __init__(self, code: str, *, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class Partner:
    """A configured partner with its adapter and what is known of its health."""

    def __init__(
        self, entry: PartnerEntry, adapter: Adapter, *, steady_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.entry = entry
        self.name = entry.name
        self.adapter = adapter
        self.statistics = CallStatistics()
        self.availability = Line(self, steady_clock)
        self.holds = Line(self, steady_clock)

    def leave_alone(self, seconds: float) -> None:
        """Begin no call of any kind for so long: the partner has asked for that."""
        for line in (self.availability, self.holds):
            line.leave_alone(seconds)


class Line:
    """One kind of calls of a partner."""

    def __init__(self, partner: Partner, steady_clock: Callable[[], float]) -> None:
        rules = partner.entry.rules
        self._partner = partner
        self._clock = steady_clock
        self._breaker = breakers.CLOSED
        self._rules = breakers.BreakerRules(rules.failures_until_open, rules.open_seconds)
        self._slots = anyio.CapacityLimiter(rules.calls_at_once)

    @property
    def circuit(self) -> breakers.Circuit:
        """The state of its breaker now."""
        return breakers.circuit_of(self._breaker, now=self._clock())

    def leave_alone(self, seconds: float) -> None:
        """Begin no call for so long."""
        self._breaker = breakers.left_alone(self._breaker, seconds, now=self._clock())

    async def ask(self, call: Callable[[], Awaitable[_T]], *, seconds: float, is_idempotent: bool) -> _T:
        """What `call` of the adapter returns, within `seconds`; idempotent calls are tried again while there is time.

        Raises:
            CallFailed: whatever went wrong.
            PartnerRefused
        """
        deadline = self._clock() + seconds
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._try(call, deadline)
            except PartnerFailed as failure:
                pause = _pause(failure, attempt)
                is_over = attempt == _ATTEMPTS or self._clock() + pause + _SHORTEST_CALL_SECONDS >= deadline
                if is_over or not is_idempotent or failure.code not in _RETRIED:
                    raise CallFailed(failure.code, retry_after=failure.retry_after) from failure
                await anyio.sleep(pause)

    async def _try(self, call: Callable[[], Awaitable[_T]], deadline: float) -> _T:
        async with self._slot(deadline):
            self._admit()
            began = self._clock()
            ended: BaseException | None = None
            try:
                with anyio.fail_after(max(0, deadline - began)):
                    return await call()
            except TimeoutError:
                ended = PartnerFailed(Failure.TIMEOUT)
                raise ended from None
            except BaseException as error:
                ended = error
                if isinstance(error, (AdapterError, anyio.get_cancelled_exc_class())):
                    raise
                _log.exception("partner.adapter_failed", partner=self._partner.name)
                raise CallFailed(INTERNAL) from error
            finally:
                self._breaker = self._after(ended)
                self._report(ended, self._clock() - began)

    @asynccontextmanager
    async def _slot(self, deadline: float) -> AsyncIterator[None]:
        """One of the calls that may be in flight.

        Raises:
            CallFailed: `busy` when none becomes free in time.
        """
        try:
            with anyio.fail_after(max(0, deadline - _SHORTEST_CALL_SECONDS - self._clock())):
                await self._slots.acquire_on_behalf_of(holder := object())
        except TimeoutError:
            raise CallFailed(BUSY) from None
        try:
            yield
        finally:
            self._slots.release_on_behalf_of(holder)

    def _admit(self) -> None:
        now = self._clock()
        admitted = breakers.admit(self._breaker, now=now)
        if admitted is None:
            raise CallFailed(CIRCUIT_OPEN, retry_after=breakers.wait_of(self._breaker, now=now))
        self._breaker = admitted

    def _after(self, ended: BaseException | None) -> breakers.Breaker:
        """The breaker after a call that ended with an error, or with an answer."""
        if ended is None or isinstance(ended, PartnerRefused):
            return breakers.succeeded(self._breaker)
        now = self._clock()
        if not isinstance(ended, PartnerFailed):
            return breakers.failed(self._breaker, self._rules, now=now)
        if ended.code is Failure.RATE_LIMITED:
            return self._hold_off(self._breaker, ended.retry_after or _UNASKED_REST_SECONDS, now)
        if not ended.is_partner_down:
            return breakers.succeeded(self._breaker)
        after = breakers.failed(self._breaker, self._rules, now=now)
        return after if ended.retry_after is None else self._hold_off(after, ended.retry_after, now)

    def _hold_off(self, breaker: breakers.Breaker, seconds: float, now: float) -> breakers.Breaker:
        self._partner.leave_alone(seconds)
        return breakers.hold_off(breaker, seconds, now=now)

    def _report(self, ended: BaseException | None, seconds: float) -> None:
        outcome = "ok" if ended is None else _code_of(ended)
        is_answered = ended is None or isinstance(ended, PartnerRefused)
        name = self._partner.name
        self._partner.statistics.record(seconds, is_success=is_answered, at=clock.now())
        _seconds.labels(name, outcome).observe(seconds)
        detail = getattr(ended, "detail", "")[:_LONGEST_DETAIL]
        log = _log.info if is_answered else _log.warning
        log("partner.called", partner=name, outcome=outcome, detail=detail, milliseconds=round(seconds * 1000, 2))


def _code_of(ended: BaseException) -> str:
    if isinstance(ended, (PartnerFailed, PartnerRefused)):
        return str(ended.code)
    return INTERNAL if isinstance(ended, Exception) else "cancelled"


def _pause(failure: PartnerFailed, attempt: int) -> float:
    """How long to wait before trying again: what the partner asked for, or a little longer each time; with jitter."""
    jitter = random.uniform(0.5, 1) * _FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1)  # noqa: S311 -- no secret
    asked = failure.retry_after
    if asked is None and failure.code is Failure.RATE_LIMITED:
        asked = _UNASKED_REST_SECONDS
    return (asked or 0) + jitter

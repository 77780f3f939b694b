"""A circuit breaker: pure rules over a state, with the clock (seconds of a steady one) passed in.

    closed     every call is let through; `failures_until_open` failures in a row open it
    open       no call is let through for `open_seconds`; each failed try doubles that, up to five minutes
    half_open  then one call at a time is let through: a success closes it, a failure opens it again

A partner that asks to be left alone (Retry-After) is left alone for as long, whatever the state.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

__all__ = [
    "CLOSED",
    "Breaker",
    "BreakerRules",
    "Circuit",
    "admit",
    "circuit_of",
    "failed",
    "hold_off",
    "left_alone",
    "succeeded",
    "wait_of",
]

LONGEST_OPEN_SECONDS = 300.0
_MOST_DOUBLINGS = 30
_PROBE_SECONDS = 120.0  # a probe that never reported, because its task was lost, does not lock the circuit for good


class Circuit(StrEnum):
    """The states, as told to staff."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When to open, and for how long at first."""

    failures_until_open: int = 5
    open_seconds: float = 10


@dataclass(frozen=True, slots=True)
class Breaker:
    """One partner's state. `opened` counts openings since it was last closed; `probe_at` is when the try began."""

    failures: int = 0
    opened: int = 0
    open_until: float = 0
    probe_at: float | None = None
    alone_until: float = 0


CLOSED = Breaker()


def circuit_of(breaker: Breaker, *, now: float) -> Circuit:
    """Its state at `now`."""
    if not breaker.opened:
        return Circuit.CLOSED
    return Circuit.OPEN if now < breaker.open_until else Circuit.HALF_OPEN


def admit(breaker: Breaker, *, now: float) -> Breaker | None:
    """The state with one more call under way, or None when none may begin."""
    if now < breaker.alone_until:
        return None
    circuit = circuit_of(breaker, now=now)
    if circuit is Circuit.CLOSED:
        return breaker
    if circuit is Circuit.OPEN or _is_probing(breaker, now):
        return None
    return replace(breaker, probe_at=now)


def succeeded(breaker: Breaker) -> Breaker:
    """After a call that the partner answered: closed, nothing counted against it."""
    return CLOSED if not breaker.alone_until else Breaker(alone_until=breaker.alone_until)


def wait_of(breaker: Breaker, *, now: float) -> float:
    """Seconds until a call may begin, as far as that is known."""
    until = max(breaker.alone_until, breaker.open_until if breaker.opened else 0)
    return max(0.0, until - now)


def failed(breaker: Breaker, rules: BreakerRules, *, now: float) -> Breaker:
    """After a call that failed. Calls that were under way when it opened change nothing more."""
    circuit = circuit_of(breaker, now=now)
    if circuit is Circuit.OPEN:
        return breaker
    failures = breaker.failures + 1
    if circuit is Circuit.CLOSED and failures < rules.failures_until_open:
        return replace(breaker, failures=failures)
    doubled = rules.open_seconds * 2 ** min(breaker.opened, _MOST_DOUBLINGS)
    seconds = min(doubled, max(LONGEST_OPEN_SECONDS, rules.open_seconds))
    return replace(breaker, failures=failures, opened=breaker.opened + 1, open_until=now + seconds, probe_at=None)


def hold_off(breaker: Breaker, seconds: float, *, now: float) -> Breaker:
    """After the partner asked to be left alone for so long; neither a success nor a failure. Ends a try."""
    return replace(left_alone(breaker, seconds, now=now), probe_at=None)


def left_alone(breaker: Breaker, seconds: float, *, now: float) -> Breaker:
    """After the partner asked it of another kind of calls; a try that is under way goes on."""
    return replace(breaker, alone_until=max(breaker.alone_until, now + max(seconds, 0)))


def _is_probing(breaker: Breaker, now: float) -> bool:
    return breaker.probe_at is not None and now < breaker.probe_at + _PROBE_SECONDS

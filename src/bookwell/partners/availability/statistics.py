"""How a partner's last calls went, for staff."""

import datetime as dt
import math
from collections import deque
from dataclasses import dataclass, field

__all__ = ["CallStatistics"]

_CALLS = 200


@dataclass(slots=True)
class CallStatistics:
    """The last 200 calls of this process: seconds, and whether each was answered."""

    last_success_at: dt.datetime | None = None
    _calls: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=_CALLS))

    def record(self, seconds: float, *, is_success: bool, at: dt.datetime) -> None:
        """Count one call that ended at `at`."""
        self._calls.append((seconds, is_success))
        if is_success:
            self.last_success_at = at

    @property
    def calls(self) -> int:
        """How many calls the figures are about."""
        return len(self._calls)

    @property
    def error_rate(self) -> float | None:
        """The share of calls without an answer; None before the first call."""
        calls = list(self._calls)
        return sum(not is_success for _, is_success in calls) / len(calls) if calls else None

    @property
    def p95_seconds(self) -> float | None:
        """The time within which 95 of 100 calls ended (nearest rank); None before the first call."""
        times = sorted(seconds for seconds, _ in list(self._calls))
        return times[math.ceil(0.95 * len(times)) - 1] if times else None

"""How long the state machines run: the same few lives in each run, many others in a long one."""

import os

from hypothesis import HealthCheck, Phase, settings

__all__ = ["LIVES_SECONDS", "lives"]

_IS_LONG = bool(os.environ.get("BOOKWELL_CHAOS"))
LIVES_SECONDS = 3600 if _IS_LONG else 900
"""For a test's time-out: one that comes within a life is to hypothesis a failure that does not come again, "flaky"."""


def lives(number: int) -> settings:
    """So many lives of 30 steps; ten times as many, others each time and shrunk when they fail, in a long run."""
    return settings(
        max_examples=10 * number if _IS_LONG else number,
        stateful_step_count=30,
        phases=set(Phase) if _IS_LONG else set(Phase) - {Phase.shrink, Phase.explain},
        deadline=None,
        derandomize=not _IS_LONG,
        suppress_health_check=list(HealthCheck),
    )

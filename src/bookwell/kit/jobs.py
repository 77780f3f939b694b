"""How a job of the schedule works: item by item until nothing is due, or for as long as one run may take.

The next run goes on. Each item is decided again in a transaction of its own, so runs may overlap.
"""

import time
from collections.abc import Callable, Iterator

import structlog

from bookwell.kit.errors import DomainError

__all__ = ["each_due", "repeated", "tried"]

_AT_ONCE = 500
_SECONDS_OF_A_RUN = 20
"""Shorter than the schedule's shortest pause, so that a queue of jobs does not grow."""

_log = structlog.get_logger()


def each_due(find: Callable[..., list[int]]) -> Iterator[int]:
    """What `find(limit=…)` says is due, each once a run: what is refused stays due, and must not be run into again."""
    until, seen = time.monotonic() + _SECONDS_OF_A_RUN, set[int]()
    while fresh := [item for item in find(limit=_AT_ONCE + len(seen)) if item not in seen]:
        for item in fresh:
            if time.monotonic() > until:
                return
            seen.add(item)
            yield item


def tried(work: Callable[[], bool], failure: str, **what: int) -> bool:
    """One item's refusal, or a defect that it meets, must not keep the others waiting; the next run tries it again."""
    try:
        return work()
    except DomainError as refusal:
        _log.warning(failure, code=refusal.code, **what)
    except Exception:  # noqa: BLE001 -- whatever it is, it is told and the others go on
        _log.exception(failure, **what)
    return False


def repeated(*steps: Callable[[], int]) -> int:
    """Do some steps, each of which says how much it did, until nothing is left or the time of a run is over; the sum.

    They take turns, so that one with much to do leaves time to the others; one that fails is left to the next run.
    """
    until, total, left = time.monotonic() + _SECONDS_OF_A_RUN, 0, list(steps)
    while left:
        numbers = [(step, _number_of(step)) for step in left]
        total += sum(number for _, number in numbers)
        left = [step for step, number in numbers if number] if time.monotonic() <= until else []
    return total


def _number_of(step: Callable[[], int]) -> int:
    try:
        return step()
    except Exception:  # noqa: BLE001 -- as above
        _log.exception("job.step_failed")
        return 0

"""Races: works that start together, each in a thread with a database connection of its own."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest
from django.db import connection

from bookwell.kit.errors import DomainError, Unavailable

__all__ = ["Outcome", "Rival", "meet_rival", "race", "refusals"]

T = TypeVar("T")

_PATIENCE_SECONDS = 60
_HEAD_START_SECONDS = 0.3


@dataclass(slots=True)
class Outcome(Generic[T]):
    """How one work ended: with a value, or refused by a rule. Anything else fails the race."""

    values: list[T] = field(default_factory=list)
    refusal: DomainError | None = None
    breakage: BaseException | None = None

    @property
    def value(self) -> T:
        """What the work answered.

        Raises:
            DomainError: what it was refused with.
        """
        if self.refusal:
            raise self.refusal
        return self.values[0]


def race(works: Sequence[Callable[[], T]], *, by_django: bool = True) -> list[Outcome[T]]:
    """Start all works at the same moment; their outcomes in the same order.

    Works that bring connections of their own need none of Django's (`by_django`).

    Raises:
        ExceptionGroup: if one ended neither well nor refused; "try again" counts as neither.
    """
    start = threading.Barrier(len(works))
    outcomes = [Outcome[T]() for _ in works]
    threads = [
        threading.Thread(target=_run, args=(work, outcome, start, by_django), daemon=True)
        for work, outcome in zip(works, outcomes, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE_SECONDS)
    if any(thread.is_alive() for thread in threads):
        raise TimeoutError("Some works never ended.")
    _raise_breakages(outcomes)
    return outcomes


def refusals(outcomes: Sequence[Outcome[Any]]) -> list[type[DomainError]]:
    """The kinds of refusal, one for each refused work."""
    return [type(outcome.refusal) for outcome in outcomes if outcome.refusal]


@dataclass(slots=True)
class Rival(Generic[T]):
    """A work that is let loose at an exact line of another one."""

    work: Callable[[], T]
    outcome: Outcome[T] = field(default_factory=Outcome)
    thread: threading.Thread | None = None
    head_start: float = _HEAD_START_SECONDS

    def go(self) -> None:
        """Start once, and wait a little: a rival that no lock holds up mostly ends meanwhile."""
        if self.thread is None:
            self.thread = threading.Thread(target=_run, args=(self.work, self.outcome), daemon=True)
            self.thread.start()
            self.thread.join(self.head_start)

    def finish(self) -> Outcome[T]:
        """Wait for its end."""
        assert self.thread is not None, "nobody came by the line of the rival"
        self.thread.join(_PATIENCE_SECONDS)
        assert not self.thread.is_alive()
        _raise_breakages([self.outcome])
        return self.outcome


def meet_rival(
    patch: pytest.MonkeyPatch, target: str, work: Callable[[], T], *, behind: bool = False, wins: bool = False
) -> Rival[T]:
    """Let `work` loose in the moment before (or `behind`: after) the first call of the function named `target`.

    Where no lock holds it up there (`wins`), it has ended when the other one goes on, however busy the machine is.
    """
    rival = Rival(work, head_start=_PATIENCE_SECONDS if wins else _HEAD_START_SECONDS)
    here = threading.get_ident()
    module_name, _, name = target.rpartition(".")
    module = __import__(module_name, fromlist=[name])
    original = getattr(module, name)

    def wrapper(*args: Any, **options: Any) -> Any:
        if threading.get_ident() != here:
            return original(*args, **options)
        if not behind:
            rival.go()
        answer = original(*args, **options)
        if behind:
            rival.go()
        return answer

    patch.setattr(module, name, wrapper)
    return rival


def _run(
    work: Callable[[], T], outcome: Outcome[T], start: threading.Barrier | None = None, by_django: bool = True
) -> None:
    try:
        if by_django:
            connection.ensure_connection()
        if start:
            start.wait(_PATIENCE_SECONDS)
        outcome.values.append(work())
    except Unavailable as error:
        outcome.breakage = error
    except DomainError as error:
        outcome.refusal = error
    except BaseException as error:  # noqa: BLE001 -- handed to the test's own thread
        outcome.breakage = error
        if start:
            start.abort()
    finally:
        if by_django:
            connection.close()


def _raise_breakages(outcomes: Sequence[Outcome[Any]]) -> None:
    broken = [outcome.breakage for outcome in outcomes if outcome.breakage]
    if broken:
        raise BaseExceptionGroup("works of a race broke", broken)

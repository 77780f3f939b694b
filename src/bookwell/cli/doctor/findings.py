"""What a check found, and how checks are run: all at once, none for longer than its time."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

__all__ = ["Check", "Finding", "State", "failed", "fine", "run_checks", "warning"]


class State(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but somebody should look."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do when it is not well."""

    check: str
    state: State
    message: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def fine(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, message)


def warning(check: str, message: str, advice: str) -> Finding:
    """It works, but somebody should look."""
    return Finding(check, State.WARNING, message, advice)


def failed(check: str, message: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, State.FAILED, message, advice)


def run_checks(checks: Mapping[str, Check], *, seconds: float) -> Sequence[Finding]:
    """What every check finds, in their order; one that does not end in `seconds` is left behind and counts as failed.

    A check that breaks has failed: what it asked did something that nobody foresaw.
    """
    found: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=partial(_run, name, check, found), daemon=True) for name, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    silent = f"no answer within {seconds:g} s"
    advice = "something accepts connections there and stays silent: look at that server, and at the network before it"
    return [each for name in checks for each in found.get(name, [failed(name, silent, advice)])]


def _run(name: str, check: Check, found: dict[str, list[Finding]]) -> None:
    try:
        found[name] = list(check())
    except BaseException as error:  # noqa: BLE001 -- SystemExit, too: other checks go on
        words = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        found[name] = [failed(name, words, "see what it says; the services' logs may tell more")]

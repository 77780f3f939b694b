"""`kill -9` behind every single statement of a use case: before the commit nothing is there, behind it everything.

A use case runs in children of this process, one for each of its statements: forked, because starting one takes
seconds. The child of a process with threads may call little; these only talk to the database, with a connection of
their own, and one that hung would be ended by its alarm.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn, Protocol

from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, InFlight

__all__ = [
    "COMMIT",
    "THREADS_ARE_NO_MATTER",
    "Case",
    "End",
    "Mortal",
    "assert_all_or_nothing_behind_every_statement",
    "refusal",
    "run_in_child_and_kill",
    "when_the_key_is_free",
]

COMMIT = "(committed)"
THREADS_ARE_NO_MATTER = "ignore:This process .* is multi-threaded:DeprecationWarning"
_CHILD_SECONDS = 120
_TRIES = 20
_FEWEST_STATEMENTS = 8


@dataclass(slots=True)
class End:
    """What ends a child: so many statements, or the commit if there are fewer."""

    writing: int
    after: int
    statements: int = 0

    def come_behind(self, statement: str) -> None:
        """Called behind every statement."""
        self.statements += 1
        self.say(" ".join(statement.split()))
        if self.statements == self.after:
            self._come()

    def come_behind_commit(self) -> None:
        """Called behind every commit."""
        if self.statements:
            self.say(COMMIT)
            self._come()

    def say(self, line: str) -> None:
        """Tell the parent."""
        os.write(self.writing, f"{line[:100]}\n".encode())

    def _come(self) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed, and still here")


class Mortal(Protocol):
    """What a child may be killed in."""

    def close_connections(self) -> None:
        """Let go of what a child must not share."""

    def live(self, end: End) -> None:
        """In a child: do it, on a connection of its own that tells `end` of each statement and commit."""


class Case(Mortal, Protocol):
    """A use case on rows of its own, beside an Idempotency-Key of its own."""

    def run(self) -> Answer:
        """Do it as the API does it."""

    def look(self) -> dict[str, Any]:
        """All that the use case could touch."""

    def count_keys(self) -> int:
        """How many Idempotency-Keys are kept."""

    def assert_done_once(self) -> None:
        """It happened, whole, and once."""


def assert_all_or_nothing_behind_every_statement(new_case: Callable[[], Case]) -> None:
    """Kill one child after the other, each behind one statement more; the same key then makes it once."""
    for number in count(1):
        case = new_case()
        before, keys = case.look(), case.count_keys()

        said = run_in_child_and_kill(case, after=number)

        is_committed = said[-1] == COMMIT
        if is_committed:
            case.assert_done_once()
        left = case.look()
        assert is_committed or left == before, said
        answer = case.run()
        case.assert_done_once()
        assert not is_committed or case.look() == left, said
        assert case.run() == answer
        assert case.count_keys() == keys + 1
        if is_committed:
            break
    assert number > _FEWEST_STATEMENTS, said


def run_in_child_and_kill(case: Mortal, *, after: int) -> list[str]:
    """Run the use case in a child that is killed behind so many statements, or behind the commit if there are fewer.

    Answers what the child sent to its database.
    """
    case.close_connections()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live_and_die(case, End(writing, after))
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), (status, said)
    assert os.WTERMSIG(status) == signal.SIGKILL, (status, said)
    return said


def when_the_key_is_free(run: Callable[[], Answer]) -> Answer:
    """What `run` answers; a child that was killed may hold its key for a moment."""
    for _ in range(_TRIES):
        try:
            return run()
        except InFlight:
            continue
    raise AssertionError("the key of a killed process was never set free")


def refusal(error: DomainError) -> Answer:
    """What a second run comes to before it finds the first one's answer; as the first answer it would do nothing."""
    return Answer(409, error.code.encode())


def _live_and_die(case: Mortal, end: End) -> NoReturn:
    """The child never goes back to the tests."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_CHILD_SECONDS)
        case.live(end)
    except BaseException as error:  # noqa: BLE001 -- the parent sees it in what was said
        end.say(repr(error))
    finally:
        os._exit(1)

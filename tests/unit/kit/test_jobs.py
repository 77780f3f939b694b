"""How jobs share the time of a run among their items and their steps."""

from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from bookwell.kit import jobs


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's time is over before it begins."""
    monkeypatch.setattr(jobs, "_SECONDS_OF_A_RUN", -1)


def _step(numbers: Iterator[int], done: list[str], name: str) -> Callable[[], int]:
    def step() -> int:
        done.append(name)
        return next(numbers)

    return step


def _three_steps(done: list[str]) -> list[Callable[[], int]]:
    return [
        _step(iter(numbers), done, name) for name, numbers in (("long", (5, 5, 0)), ("empty", (0,)), ("short", (2, 0)))
    ]


def test_repeated__steps__take_turns_until_each_has_nothing_left() -> None:
    done: list[str] = []

    total = jobs.repeated(*_three_steps(done))

    assert total == 12
    assert done == ["long", "empty", "short", "long", "short", "long"]


@pytest.mark.usefixtures("no_time")
def test_repeated__the_time_is_over__each_step_has_had_its_turn() -> None:
    done: list[str] = []

    total = jobs.repeated(*_three_steps(done))

    assert total == 7
    assert done == ["long", "empty", "short"]


def test_repeated__a_step_fails__the_others_go_on() -> None:
    done: list[str] = []

    def fail() -> int:
        done.append("bad")
        raise ZeroDivisionError

    with capture_logs() as logs:
        total = jobs.repeated(fail, *_three_steps(done))

    assert total == 12
    assert done == ["bad", "long", "empty", "short", "long", "short", "long"]
    assert [(entry["event"], entry["exc_info"]) for entry in logs] == [("job.step_failed", True)]


def test_each_due__what_stays_due__comes_once() -> None:
    asked: list[int] = []

    def find(*, limit: int) -> list[int]:
        asked.append(limit)
        return [1, 2, 3][:limit]

    found = list(jobs.each_due(find))

    assert found == [1, 2, 3]
    assert len(asked) == 2
    assert asked[1] == asked[0] + 3


@pytest.mark.usefixtures("no_time")
def test_each_due__the_time_is_over__the_rest_waits_for_the_next_run() -> None:
    assert list(jobs.each_due(lambda *, limit: [1, 2, 3][:limit])) == []

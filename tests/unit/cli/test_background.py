import threading

import pytest

from bookwell.cli import background
from bookwell.cli.background import _run_job, _run_threads, _watch
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.request_context import traceparent
from bookwell.kit.watchdog import Watched


@pytest.mark.parametrize("failure", [OSError(), SystemExit(1), KeyboardInterrupt()])
def test_run_threads__one_ends_by_whatever_it_is__all_end_and_it_is_known(failure: BaseException) -> None:
    stop = threading.Event()
    others: list[bool] = []

    def fail() -> None:
        raise failure

    works = {"one": fail, "other": lambda: others.append(stop.wait(5))}
    safety = threading.Timer(4, stop.set)
    safety.start()
    failed = _run_threads(works, stop, lambda: None)
    safety.cancel()

    assert failed.is_set()
    assert others == [True]


@pytest.mark.parametrize(
    ("seconds", "limits"),
    [
        (120, {"relay": 120, "library.expire": 3600}),
        (7200, {"relay": 7200, "library.expire": 7200}),
        (0, {"relay": 0, "library.expire": 0}),
    ],
)
def test_watch__what_may_have_much_to_do__has_more_time_than_the_relay(
    seconds: float, limits: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: dict[str, Watched] = {}
    monkeypatch.setattr(background, "watch", watched.update)

    _watch({"relay": Heartbeat(), "library.expire": Heartbeat()}, seconds)

    assert {name: each.seconds for name, each in watched.items()} == limits


def test_run_job__also_one_that_fails__runs_in_a_trace_of_its_own() -> None:
    seen = list[str]()

    def fail() -> None:
        seen.append(traceparent())
        raise OSError

    _run_job("library.expire", fail)
    _run_job("library.expire", lambda: seen.append(traceparent()))

    assert [len(context) for context in seen] == [55, 55]
    assert seen[0][3:35] != seen[1][3:35]
    assert traceparent() == ""

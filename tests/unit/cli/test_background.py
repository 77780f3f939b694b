import threading

import pytest

from bookwell.cli.background import _run_threads


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

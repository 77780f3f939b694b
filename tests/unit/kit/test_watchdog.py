"""Loops that give no sign of life end their process."""

import json
import os
import subprocess
import sys
import threading

import pytest

from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.watchdog import STATUS, Watchdog, Watched

_STUCK = """
import threading
from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.logs import configure
from bookwell.kit.watchdog import Watched, watch

def wait_for_ever():
    threading.Event().wait()

configure({"level": "INFO", "service": "stuck"})
heartbeat = Heartbeat()
watch({"loop": Watched(heartbeat, 2)})
heartbeat.beat()
wait_for_ever()
"""


def test_watchdog__no_sign_for_so_many_looks__names_the_loop() -> None:
    going_on, silent = Heartbeat(), Heartbeat()
    watchdog = Watchdog({"going on": Watched(going_on, 3), "silent": Watched(silent, 3)})

    found = []
    for _ in range(4):
        going_on.beat()
        found.append(watchdog.look())

    assert found == [None, None, None, "silent"]


def test_watchdog__a_sign_just_in_time__begins_anew() -> None:
    heartbeat = Heartbeat()
    watchdog = Watchdog({"loop": Watched(heartbeat, 3)})

    early = [watchdog.look() for _ in range(3)]
    heartbeat.beat()
    late = [watchdog.look() for _ in range(4)]

    assert early + late == [None, None, None, None, None, None, "loop"]


def test_watchdog__no_limit__never_finds_anything() -> None:
    watchdog = Watchdog({"loop": Watched(Heartbeat(), 0)})

    assert [watchdog.look() for _ in range(1000)] == [None] * 1000


def test_watchdog__loops_of_different_patience__is_about_the_one_that_has_none_left() -> None:
    watchdog = Watchdog({"job": Watched(Heartbeat(), 100), "relay": Watched(Heartbeat(), 2)})

    assert [watchdog.look() for _ in range(3)] == [None, None, "relay"]


def test_heartbeat__tells_whose_sign_was_the_last() -> None:
    heartbeat = Heartbeat()
    thread = threading.Thread(target=heartbeat.beat)

    thread.start()
    thread.join()

    assert (heartbeat.count, heartbeat.thread) == (1, thread.ident)


def test_watch__a_process_that_hangs__ends_and_tells_where() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}

    ended = subprocess.run(  # noqa: S603 -- our own words
        [sys.executable, "-c", _STUCK], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    (told,) = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == STATUS
    assert (told["event"], told["part"], told["silent_seconds"]) == ("process.hangs", "loop", 2)
    assert any("wait_for_ever" in call for call in told["place"])


@pytest.mark.parametrize("seconds", [0, 120])
def test_watch__a_process_that_ends_by_itself__is_not_held_up(seconds: float) -> None:
    program = (
        "from bookwell.kit.heartbeat import Heartbeat; from bookwell.kit.watchdog import Watched, watch; "
        f"watch({{'loop': Watched(Heartbeat(), {seconds})}})"
    )

    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)  # noqa: S603 -- the same

    assert ended.returncode == 0

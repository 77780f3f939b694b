import os
import signal

import anyio
import anyio.lowlevel
import pytest

from bookwell.kit.request_context import request_id, set_request_id
from bookwell.partners.loop import EventLoop, PerProcess


async def _double(number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return 2 * number


def test_event_loop__a_coroutine__runs_there_in_the_callers_context() -> None:
    loop = EventLoop()

    async def who() -> str:
        return request_id()

    set_request_id("r-1")
    assert (loop.run(_double, 4), loop.run(who)) == (8, "r-1")
    loop.close()


def test_event_loop__it_takes_too_long__is_given_up() -> None:
    loop = EventLoop()

    with pytest.raises(TimeoutError):
        loop.run(anyio.sleep, 3600, seconds=0.1)

    loop.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_per_process__after_a_fork__the_child_makes_its_own() -> None:
    loops = PerProcess(EventLoop)
    assert loops().run(_double, 1) == 2

    child = os.fork()
    if child == 0:  # pragma: no cover -- in the child
        signal.alarm(10)  # the parent's loop would never answer
        os._exit(0 if loops().run(_double, 4) == 8 else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert loops().run(_double, 2) == 4
    loops().close()

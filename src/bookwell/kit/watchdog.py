"""Ends a process that hangs, so that whoever runs it (compose, systemd, `bookwell up`) starts it again.

Health checks see a process that hangs, and most supervisors do nothing about that: they start again what has ended.
Rows keep what was begun. A thread looks once a second for new signs of life and counts the looks that found none: a
process that was stopped for a while, or a machine that slept, is not taken for one that hangs. Out of its reach is
what lets no thread of Python run: a library in C that never gives the interpreter back.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bookwell.kit.heartbeat import Heartbeat
from bookwell.kit.log_sink import stop_sinks

__all__ = ["STATUS", "Watchdog", "Watched", "watch"]

STATUS: Final = 75
"""The exit status of a process that hung; sysexits.h says of it: try again."""

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 5.0
_FRAMES = 8

_log = structlog.get_logger()


@dataclass(slots=True)
class Watched:
    """A loop that gives signs of life, and how long none may come; 0 is for ever."""

    heartbeat: Heartbeat
    seconds: float
    seen: int = -1
    silent_seconds: float = 0

    def look(self) -> bool:
        """Look once, a second after the look before; answers whether it has been silent for too long."""
        is_silent, self.seen = self.heartbeat.count == self.seen, self.heartbeat.count
        self.silent_seconds = self.silent_seconds + _LOOK_SECONDS if is_silent else 0
        return 0 < self.seconds <= self.silent_seconds


class Watchdog:
    """Looks at loops, by their names."""

    def __init__(self, loops: Mapping[str, Watched]) -> None:
        self._loops = loops

    def look(self) -> str | None:
        """Look at every loop; the name of one that hangs."""
        hanging = [name for name, watched in self._loops.items() if watched.look()]
        return hanging[0] if hanging else None

    def run(self) -> None:
        """Look until one hangs, tell so with the place where it does, and end the process."""
        while (hanging := self.look()) is None:
            time.sleep(_LOOK_SECONDS)
        # What hangs may hold what a log line needs: then the line is not told, and the process ends all the same.
        teller = threading.Thread(target=self._tell, args=(hanging,), daemon=True)
        teller.start()
        teller.join(_TELL_SECONDS)
        os._exit(STATUS)

    def _tell(self, name: str) -> None:
        watched = self._loops[name]
        place = _place_of(watched.heartbeat.thread)
        _log.critical("process.hangs", part=name, silent_seconds=watched.silent_seconds, place=place)
        stop_sinks()


def watch(loops: Mapping[str, Watched]) -> None:
    """From now on end this process, with a line in the log, as soon as one of these loops hangs.

    A fork is not watched: call it in the process that it is about.
    """
    if any(watched.seconds for watched in loops.values()):
        threading.Thread(target=Watchdog(loops).run, name="watchdog", daemon=True).start()


def _place_of(thread: int) -> list[str]:
    """Where a thread is, from its outermost call to its innermost."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 -- how else would one thread know of another
    if frame is None:
        return []
    calls = traceback.extract_stack(frame)[-_FRAMES:]
    return [f"{Path(call.filename).name}:{call.lineno} {call.name}" for call in calls]

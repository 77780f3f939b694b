"""Signs of life of a process that listens on no port: its main loop touches a file, and a health check looks when.

A process that hangs stops touching it, which is seen from outside; and from inside by `kit.watchdog`, which ends it.
"""

import threading
import time
from pathlib import Path

__all__ = ["Heartbeat", "is_alive"]

_LEAST_PAUSE_SECONDS = 5.0
_SILENCE_SECONDS = 60.0
"""Longer than anything that a main loop does at once: a relay's claim of rows is published in half a lease."""


class Heartbeat:
    """Counts the signs of life of one loop, and touches its file, if it has one, every five seconds at most.

    `count` and `thread`, whose sign was the last, are for whoever looks from within the process.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.count = 0
        self.thread = threading.get_ident()
        self._file = file
        self._beat_at: float | None = None

    def beat(self) -> None:
        """Say that the process goes on."""
        self.count += 1
        self.thread = threading.get_ident()
        now = time.monotonic()
        if self._file is None or (self._beat_at is not None and now - self._beat_at < _LEAST_PAUSE_SECONDS):
            return
        self._file.touch()
        self._beat_at = now


def is_alive(file: Path) -> bool:
    """Whether the process behind the file gave a sign of life within the last minute."""
    try:
        touched_at = file.stat().st_mtime
    except FileNotFoundError:
        return False
    # The file system's time, which nothing offsets.
    return abs(time.time() - touched_at) < _SILENCE_SECONDS

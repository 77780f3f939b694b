"""A lock that serves its waiters in the order they came.

SQLite lets writers starve one another; in the embedded mode one process does all writing, and this lock queues it.
"""

import threading
from collections import deque
from types import TracebackType

__all__ = ["FifoLock"]


class FifoLock:
    """First come, first served; usable as a context manager; not reentrant."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiters: deque[threading.Lock] = deque()
        self._is_held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._is_held:
                self._is_held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiters.append(turn)
        turn.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._guard:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._is_held = False

"""The line in which the writers of a SQLite file stand, across threads and processes.

SQLite lets one writer in and does not queue the others: two busy processes starve each other. Here a process's threads
queue in a first-come lock, and the processes at a turnstile of two locked files: who comes takes NEXT, then TURN, then
gives NEXT to who comes behind. A process that has just written must therefore let the waiting one pass. The kernel
drops the locks of a process that dies, however it dies.
"""

import fcntl
import os
import threading
from pathlib import Path
from types import TracebackType

from bookwell.kit.fifo import FifoLock

__all__ = ["WritersLine", "line_of"]

_NOT_OPEN = -1


class WritersLine:
    """First come, first served, for the writers of one database; a context manager, not reentrant.

    Without a file (a database in memory) it lines up this process's threads alone.
    """

    def __init__(self, database: Path | None) -> None:
        self._database = database
        self._threads = FifoLock()
        self._next = self._turn = _NOT_OPEN

    def __enter__(self) -> None:
        self._threads.__enter__()
        if self._database is None:
            return
        try:
            self._wait_for_turn(self._database)
        except BaseException:
            self._threads.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._turn != _NOT_OPEN:
                fcntl.flock(self._turn, fcntl.LOCK_UN)
        finally:
            self._threads.__exit__(kind, error, trace)

    def forget_parent(self) -> None:
        """Begin anew in a forked process: its files and threads are not those of its parent."""
        for descriptor in (self._next, self._turn):
            if descriptor != _NOT_OPEN:
                os.close(descriptor)
        self._threads = FifoLock()
        self._next = self._turn = _NOT_OPEN

    def _wait_for_turn(self, database: Path) -> None:
        if self._turn == _NOT_OPEN:
            try:
                if self._next == _NOT_OPEN:
                    self._next = _open(database, "next")
                self._turn = _open(database, "turn")
            except OSError:
                return  # no place for the files: SQLite itself says what is wrong with it, if anything
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)


_lines: dict[str, WritersLine] = {}
_guard = threading.Lock()


def line_of(database: str) -> WritersLine:
    """The one line of this process for the SQLite database of that name, however a path to it is written."""
    known = _lines.get(database)
    if known is not None:
        return known
    is_in_memory = not database or ":memory:" in database or "mode=memory" in database
    path = None if is_in_memory else Path(database).resolve()
    with _guard:
        line = _lines.setdefault(str(path or database), WritersLine(path))
        if Path(database).is_absolute():  # what a relative name means changes with the working directory
            _lines[database] = line
        return line


def _open(database: Path, name: str) -> int:
    # Nothing is written; readable is enough to lock, so that a file made by root stops nobody else.
    return os.open(f"{database}-{name}", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _begin_anew() -> None:
    global _guard  # noqa: PLW0603 -- another thread of the parent may have held it
    _guard = threading.Lock()
    for line in set(_lines.values()):
        line.forget_parent()


os.register_at_fork(after_in_child=_begin_anew)

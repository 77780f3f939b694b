"""Standard output for whole lines, from any thread, and across forks.

Worker processes are forked while other threads log. A lock that such a thread held would stay locked in the child for
ever, and so would the one inside Python's buffer; so one lock covers both, and a fork waits until no line is under way.
"""

import logging
import os
import threading
from typing import BinaryIO

__all__ = ["LineHandler", "LineLogger"]

_writing = threading.Lock()
os.register_at_fork(before=_writing.acquire, after_in_parent=_writing.release, after_in_child=_writing.release)


class LineLogger:
    """Writes each line whole and at once; what structlog calls for every level."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def msg(self, line: bytes) -> None:
        """Write a line, which has no end of its own."""
        with _writing:
            self._stream.write(line + b"\n")
            self._stream.flush()

    log = debug = info = warn = warning = error = err = exception = critical = fatal = failure = msg


class LineHandler(logging.Handler):
    """Records of the standard library, into the same stream under the same lock."""

    def __init__(self, logger: LineLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """The standard library's hook; `handle` catches nothing, so this does."""
        try:
            self._logger.msg(self.format(record).encode())
        except Exception:  # noqa: BLE001 -- as in the standard library's own handlers
            self.handleError(record)

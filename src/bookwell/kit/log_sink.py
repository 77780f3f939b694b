"""Log records on their way into a table: a bounded queue in memory, and one thread a process that writes batches.

Who logs only appends to the queue: it never waits for the database, and never fails because of it. While the database
is down or slow the queue fills; what does not fit is dropped and counted (`bookwell_log_records_dropped_total`), and
stands on standard output all the same. The thread tries again after a pause that grows. A record may be written twice
when the answer to a commit was lost, and the last half second of a process that is killed is not written at all.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.util import Finalize
from typing import Any, Protocol
from weakref import WeakSet

import structlog
from prometheus_client import Counter

from bookwell.kit.log_records import LogRecord, record_of

__all__ = ["LogSink", "RecordWriter", "RecordsRefused", "sink_of", "stop_sinks"]

_STOP_SECONDS = 2.0
_FIRST_TO_STOP = 100

_dropped = Counter("bookwell_log_records_dropped", "Log records that found no room on their way into the table.")
_log = structlog.get_logger()


class RecordsRefused(Exception):
    """The table will never take these records: trying again is useless."""


class RecordWriter(Protocol):
    """Where batches go. Made before any fork, and used by one thread of each process."""

    def write(self, records: Sequence[LogRecord]) -> None:
        """Store all of them or none.

        Raises:
            RecordsRefused: if that is useless; anything else: if it may work later.
        """

    def forget_parent(self) -> None:
        """Begin anew in a forked process, and leave the parent's connections alone."""


class LogSink:
    """Takes lines of JSON and has them stored later, or drops and counts them.

    `capacity` is the number of lines that wait at most, besides the one batch that is being written.
    """

    _is_stopped: bool

    def __init__(
        self,
        writer: RecordWriter,
        *,
        capacity: int = 10_000,
        batch: int = 500,
        gather_seconds: float = 0.5,
        pauses: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._writer = writer
        self._capacity = capacity
        self._batch = batch
        self._gather_seconds = gather_seconds
        self._first_pause, self._longest_pause = pauses
        self._begin()
        _sinks.add(self)

    def put(self, line: bytes) -> None:
        """Let a line wait to be stored. Takes no lock but the first time in a process, and never raises."""
        try:
            if self._is_stopped or len(self._waiting) >= self._capacity:
                _dropped.inc()
                return
            self._waiting.append(line)
            if self._thread is None:
                self._start_thread()
        except Exception:  # noqa: BLE001 -- whatever it is, nobody's request fails because of a log record
            with suppress(Exception):
                _dropped.inc()

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """Write what waits, for so long at most; nothing is taken any more. Once is enough."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def forget_parent(self) -> None:
        """Begin anew in a forked process: what waited is the parent's to write."""
        self._begin()
        self._writer.forget_parent()

    def _begin(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def _start_thread(self) -> None:
        with self._guard:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="log-sink", daemon=True)
            thread.start()
            self._thread = thread
        # As atexit would, and in children of multiprocessing too, which skip that.
        Finalize(None, self.stop, exitpriority=_FIRST_TO_STOP)

    def _run(self) -> None:
        while not self._stopping.wait(self._gather_seconds):
            while self._waiting:
                self._store(self._take())
        while self._waiting:
            self._store(self._take())

    def _take(self) -> list[LogRecord]:
        lines = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
        records = []
        for line in lines:
            try:
                records.append(record_of(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                _dropped.inc()
        return records

    def _store(self, records: Sequence[LogRecord]) -> None:
        """Write a batch, however long that takes; but once the process is ending, try it once."""
        pause = self._first_pause
        while records:
            try:
                self._writer.write(records)
            except RecordsRefused as error:
                _dropped.inc(len(records))
                _tell("logs.refused", error.__cause__ or error, records=len(records))
                return
            except Exception as error:  # noqa: BLE001 -- the next try may succeed, and this thread must not end
                _tell("logs.write_failed", error, waiting=len(self._waiting), pause_seconds=pause)
                if self._stopping.wait(pause):
                    _dropped.inc(len(records) + len(self._waiting))
                    self._waiting.clear()
                    return
                pause = min(pause * 2, self._longest_pause)
            else:
                return


def sink_of(options: Mapping[str, Any]) -> LogSink:
    """This process's sink for a database: one, however often logging is set up.

    `options` are `url` and `writer`, the dotted name of what is called with the URL to make a RecordWriter.
    """
    key = (options["writer"], options["url"])
    if key not in _opened:
        module, _, name = key[0].rpartition(".")
        make: Callable[[str], RecordWriter] = getattr(import_module(module), name)
        _opened[key] = LogSink(make(key[1]))
    return _opened[key]


def stop_sinks() -> None:
    """Write what waits in this process, for a moment at most: before an end that runs nothing of Python's."""
    for sink in list(_sinks):
        sink.stop()


def _tell(event: str, error: BaseException, **fields: object) -> None:
    with suppress(Exception):  # standard output may be gone; then there is nobody to tell
        _log.warning(event, error=type(error).__name__, **fields)


def _begin_anew() -> None:
    for sink in list(_sinks):
        sink.forget_parent()


_sinks: "WeakSet[LogSink]" = WeakSet()
_opened: dict[tuple[str, str], LogSink] = {}
os.register_at_fork(after_in_child=_begin_anew)

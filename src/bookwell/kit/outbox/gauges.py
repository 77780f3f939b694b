"""How far behind the delivery of messages is, as gauges that are read when somebody asks."""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import structlog
from prometheus_client.core import GaugeMetricFamily

__all__ = ["Backlog", "OutboxGauges"]

_KEPT_SECONDS = 10

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages of one queue that no consumer has receipted; `oldest_at` is in milliseconds since 1970."""

    queue: str
    messages: int
    oldest_at: int


class OutboxGauges:
    """Remembers its answer for some seconds: whoever asks how things are must not make them worse.

    `queues` are those that the service writes to: they have a value when nothing waits, so that an alarm can tell it
    from silence.
    """

    def __init__(self, list_backlogs: Callable[[], Sequence[Backlog]], *, queues: Sequence[str]) -> None:
        self._list_backlogs = list_backlogs
        self._queues = queues
        self._guard = Lock()
        self._read_at = -float("inf")
        self._backlogs: Sequence[Backlog] = ()

    def read(self, *, now: dt.datetime) -> list[GaugeMetricFamily]:
        """Waiting messages and the age of the oldest, by queue; nothing while the database does not answer."""
        try:
            backlogs = {backlog.queue: backlog for backlog in self._current()}
        except Exception as error:  # noqa: BLE001 -- whatever the database does, other metrics are told
            _log.warning("outbox.not_measured", error=type(error).__name__)
            return []
        waiting = GaugeMetricFamily(
            "bookwell_outbox_waiting", "Messages that no consumer has receipted.", labels=("queue",)
        )
        oldest = GaugeMetricFamily(
            "bookwell_outbox_oldest_undelivered_seconds",
            "Age of the oldest message that no consumer has receipted; 0 when none waits.",
            labels=("queue",),
        )
        for queue in sorted({*self._queues, *backlogs}):
            backlog = backlogs.get(queue)
            waiting.add_metric((queue,), backlog.messages if backlog else 0)
            oldest.add_metric((queue,), max(0.0, now.timestamp() - backlog.oldest_at / 1000) if backlog else 0)
        return [waiting, oldest]

    def _current(self) -> Sequence[Backlog]:
        with self._guard:
            if time.monotonic() - self._read_at > _KEPT_SECONDS:
                self._backlogs, self._read_at = self._list_backlogs(), time.monotonic()
            return self._backlogs

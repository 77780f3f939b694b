"""What the notifier counts for Prometheus; read from its rows whenever somebody asks."""

from prometheus_client import Gauge

from bookwell.kit import clock
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.queries import count_by_state, find_oldest_queued

__all__ = ["set_gauges"]

_deliveries = Gauge("bookwell_notifier_deliveries", "Deliveries, by state.", ("state",), multiprocess_mode="mostrecent")
_oldest = Gauge(
    "bookwell_notifier_oldest_queued_seconds",
    "Age of the oldest message that somebody still waits for.",
    multiprocess_mode="mostrecent",
)


def set_gauges(database: Database) -> None:
    """Read the rows; any process of the service may answer for all."""
    for state, number in database.read(count_by_state).items():
        _deliveries.labels(state.value).set(number)
    oldest = database.read(find_oldest_queued)
    _oldest.set(0 if oldest is None else max((clock.now() - oldest).total_seconds(), 0))

"""Prometheus metrics.

Each process counts for itself; with `PROMETHEUS_MULTIPROC_DIR` set (a folder that is empty at the start) the processes
of one service count together, and any of them answers for all.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["CONTENT_TYPE", "observe_request", "render_metrics"]

CONTENT_TYPE = CONTENT_TYPE_LATEST

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_requests = Histogram(
    "bookwell_http_request_seconds",
    "Time to answer a request, by route template and status.",
    ("method", "route", "status"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request; `route` is the template (`api/books/<int:book_id>/`), never the path."""
    _series(method if method in _METHODS else "OTHER", route, status).observe(seconds)


def render_metrics(measured: Sequence[Metric] = ()) -> bytes:
    """Everything counted so far and what was `measured` just now, in Prometheus' text format."""
    counted = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]  # the library's
    if not measured:
        return generate_latest(counted)
    extra = CollectorRegistry()
    extra.register(_Measured(measured))
    return generate_latest(counted) + generate_latest(extra)


class _Measured:
    """A collector of values that are there already: the same whichever process is asked."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


@lru_cache(maxsize=4096)
def _series(method: str, route: str, status: int) -> Histogram:
    return _requests.labels(method, route, str(status))

"""Prometheus metrics.

Each process counts for itself; with `PROMETHEUS_MULTIPROC_DIR` set (a folder that is empty at the start) the processes
of one service count together, and any of them answers for all.
"""

import os
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Histogram, generate_latest
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


def render_metrics() -> bytes:
    """Everything counted so far, in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
    return generate_latest(registry)


@lru_cache(maxsize=4096)
def _series(method: str, route: str, status: int) -> Histogram:
    return _requests.labels(method, route, str(status))

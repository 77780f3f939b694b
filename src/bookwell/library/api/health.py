"""What operators ask: health, readiness, metrics. Outside of rate limits and of the OpenAPI document."""

from functools import cache
from importlib.metadata import version

from django.conf import settings
from django.core.cache import cache as shared_cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_GET

from bookwell.kit import clock, metrics
from bookwell.kit.adapters.django.http.problems import refusal_response
from bookwell.kit.health import Check, HealthReport, examine
from bookwell.kit.http_errors import NOT_READY, HttpRefusal
from bookwell.kit.outbox.gauges import OutboxGauges
from bookwell.library.plumbing.queries import list_backlogs

__all__ = ["urlpatterns"]

_JSON = "application/json"
_CAN_DO_WITHOUT = frozenset({"redis", "cache"})  # then nobody logs in; tokens and the catalogue go on
_outbox_gauges = OutboxGauges(list_backlogs, queues=("library", "mail"))


class MigrationsMissing(Exception):
    """The database's schema is older than the code."""


def _check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@cache  # a success stays true for the life of this code; failures are not remembered
def _check_migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise MigrationsMissing


def _check_cache() -> None:
    shared_cache.get("health")


def _checks() -> dict[str, Check]:
    return {
        "database": _check_database,
        "migrations": _check_migrations,
        "redis" if settings.REDIS_URL else "cache": _check_cache,
    }


def _report(*, without: frozenset[str] = frozenset()) -> HealthReport:
    checks = {name: check for name, check in _checks().items() if name not in without}
    return examine("library", version("bookwell"), checks)


@require_GET
def health(_request: HttpRequest) -> HttpResponse:
    """Every dependency and its state; 200 whatever they are, for people and dashboards."""
    return HttpResponse(_report().model_dump_json(), content_type=_JSON)


@require_GET
def live(_request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse(b'{"state":"up"}', content_type=_JSON)


@require_GET
def ready(request: HttpRequest) -> HttpResponse:
    """Requests may be sent here: the database answers and its migrations are applied; otherwise 503."""
    report = _report(without=_CAN_DO_WITHOUT)
    down = [dependency.name for dependency in report.dependencies if dependency.state == "down"]
    if down:
        detail = f"Not ready: {', '.join(down)}"
        return refusal_response(request, HttpRefusal(NOT_READY, detail, headers={"Retry-After": "1"}))
    return HttpResponse(b'{"state":"up"}', content_type=_JSON)


@require_GET
def show_metrics(_request: HttpRequest) -> HttpResponse:
    """Prometheus' text format."""
    measured = _outbox_gauges.read(now=clock.now())
    return HttpResponse(metrics.render_metrics(measured), content_type=metrics.CONTENT_TYPE)


urlpatterns = [
    path("health", health),
    path("health/live", live),
    path("health/ready", ready),
    path("metrics", show_metrics),
]

"""What operators ask a Flask service: health, readiness, metrics. Outside of its OpenAPI document."""

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version

from flask import Flask, Response

from bookwell.kit import metrics
from bookwell.kit.health import Check, HealthReport, examine
from bookwell.kit.http_errors import NOT_READY, HttpRefusal

__all__ = ["install_health"]

_JSON = "application/json"


def install_health(
    app: Flask,
    service: str,
    checks: Mapping[str, Check],
    *,
    can_do_without: Collection[str] = (),
    before_metrics: Callable[[], None] = lambda: None,
) -> None:
    """Add `/health`, `/health/live`, `/health/ready` and `/metrics`; `before_metrics` sets gauges that are read.

    The service is ready without the dependencies that it `can_do_without`.
    """
    needed = {name: check for name, check in checks.items() if name not in can_do_without}

    def report(checks: Mapping[str, Check] = checks) -> HealthReport:
        return examine(service, version("bookwell"), checks)

    def health() -> Response:
        return Response(report().model_dump_json(), content_type=_JSON)

    def live() -> Response:
        return Response(b'{"state":"up"}', content_type=_JSON)

    def ready() -> Response:
        down = [dependency.name for dependency in report(needed).dependencies if dependency.state == "down"]
        if down:
            raise HttpRefusal(NOT_READY, f"Not ready: {', '.join(down)}", headers={"Retry-After": "1"})
        return live()

    def show_metrics() -> Response:
        before_metrics()
        return Response(metrics.render_metrics(), content_type=metrics.CONTENT_TYPE)

    for path, view in {
        "/health": health,
        "/health/live": live,
        "/health/ready": ready,
        "/metrics": show_metrics,
    }.items():
        app.add_url_rule(path, view_func=view, methods=["GET"])

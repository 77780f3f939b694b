"""What operators ask a FastAPI service: health, readiness, metrics. Outside of its OpenAPI document."""

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version

from fastapi import APIRouter, Response
from prometheus_client.metrics_core import Metric

from bookwell.kit import metrics
from bookwell.kit.health import Check, HealthReport, examine
from bookwell.kit.http_errors import NOT_READY, HttpRefusal

__all__ = ["health_router"]

_JSON = "application/json"


def health_router(
    service: str,
    checks: Mapping[str, Check],
    *,
    can_do_without: Collection[str] = (),
    measure: Callable[[], Sequence[Metric]] = tuple,
) -> APIRouter:
    """`/health`, `/health/live`, `/health/ready` and `/metrics`; `measure` reads what is not counted.

    The service is ready without the dependencies that it `can_do_without`.
    """
    needed = {name: check for name, check in checks.items() if name not in can_do_without}
    router = APIRouter(include_in_schema=False)

    def report(checks: Mapping[str, Check] = checks) -> HealthReport:
        return examine(service, version("bookwell"), checks)

    @router.get("/health")
    def health() -> Response:
        return Response(report().model_dump_json(), media_type=_JSON)

    @router.get("/health/live")
    async def live() -> Response:
        return Response(b'{"state":"up"}', media_type=_JSON)

    @router.get("/health/ready")
    def ready() -> Response:
        down = [dependency.name for dependency in report(needed).dependencies if dependency.state == "down"]
        if down:
            raise HttpRefusal(NOT_READY, f"Not ready: {', '.join(down)}", headers={"Retry-After": "1"})
        return Response(b'{"state":"up"}', media_type=_JSON)

    @router.get("/metrics")
    def show_metrics() -> Response:
        return Response(metrics.render_metrics(measure()), headers={"Content-Type": metrics.CONTENT_TYPE})

    return router

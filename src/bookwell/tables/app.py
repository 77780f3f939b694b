"""The tables service as a FastAPI application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client.metrics_core import Metric
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bookwell.kit import clock, logs
from bookwell.kit.adapters.fastapi.direct import Direct, serve_directly
from bookwell.kit.adapters.fastapi.document import install_document
from bookwell.kit.adapters.fastapi.edge import Edge
from bookwell.kit.adapters.fastapi.health import health_router
from bookwell.kit.adapters.fastapi.negotiation import json_only
from bookwell.kit.adapters.fastapi.problems import domain_response, failure_response, install_problems
from bookwell.kit.adapters.fastapi.slashes import ignore_final_slashes
from bookwell.kit.adapters.fastapi.swagger import install_swagger
from bookwell.kit.adapters.fastapi.throttle import Throttle
from bookwell.kit.adapters.sqlalchemy.failures import refusal_of
from bookwell.kit.adapters.sqlalchemy.readiness import database_checks
from bookwell.kit.counting import shared_counter
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import TryAgain
from bookwell.kit.limits import RateLimiter
from bookwell.kit.outbox.gauges import Backlog, OutboxGauges
from bookwell.tables.api import (
    active_bookings,
    backoffice,
    booking_history,
    bookings,
    floor,
    guests,
    house,
    oauth,
    tokens,
    view_tables,
)
from bookwell.tables.api.access import caller_of
from bookwell.tables.api.answers import REFUSAL_MEMBERS, render_refusal
from bookwell.tables.bookings.queries import list_backlogs
from bookwell.tables.db import Database
from bookwell.tables.migrating import is_up_to_date
from bookwell.tables.settings import TablesSettings
from bookwell.tables.site import Site
from bookwell.tables.web import links

__all__ = ["create_app"]

_TITLE = "Bookwell tables"
_DESCRIPTION = "Tables of a restaurant and their bookings. Every error is a problem document (RFC 9457)."
_LOG_WRITER = "bookwell.kit.adapters.sqlalchemy.log_table.LogTable"
_QUEUES = ("mail", "sms", "webhook")
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI's own would send whole addresses, and in those of guests are tokens. What is counted, `Edge` counts."""
_UNLIMITED = ("/health", "/metrics", "/docs", "/openapi.json")

_JSON_ROUTERS = (
    view_tables.router,
    guests.router,
    tokens.router,
    oauth.router,
    floor.router,
    house.router,
    bookings.router,
    active_bookings.router,
    booking_history.router,
    backoffice.router,
)
"""Operations that answer JSON alone."""
_OTHER_ROUTERS: tuple[Any, ...] = (links.router,)
"""Operations that look at `Accept` themselves, and pages."""


def create_app(settings: TablesSettings | None = None, *, database: Database | None = None) -> FastAPI:
    """The application: `settings` from the environment, and the database that they name, unless others are given."""
    settings = settings or TablesSettings.load()
    site = Site.of_settings(settings, database=database)
    app = FastAPI(
        title=_TITLE,
        version=version("bookwell"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan,
        telemetry=_NO_TELEMETRY,
    )
    app.state.site = site
    install_problems(app, render=render_refusal)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(PoolTimeout, _on_database_error)
    for router in _JSON_ROUTERS:
        app.include_router(router, dependencies=[Depends(json_only)])
    for router in _OTHER_ROUTERS:
        app.include_router(router)
    checks = database_checks(site.database.read, is_up_to_date)
    app.include_router(health_router("tables", checks, measure=_gauges(site.database)))
    install_swagger(app, _TITLE)
    ignore_final_slashes(app)
    direct = serve_directly(app, _JSON_ROUTERS, before=[json_only])
    _add_middleware(app, site, direct)
    install_document(app, members={409: REFUSAL_MEMBERS})
    app.add_api_route("/openapi.json", lambda: JSONResponse(app.openapi()), include_in_schema=False)
    return app


def _name_of_caller(site: Site, request: Request, token: str) -> str | None:
    """Whom a request is counted for. A token that cannot be judged now is a stranger's."""
    try:
        caller = caller_of(request, site, token)
    except DomainError:
        return None
    return caller.key if caller else None


def _add_middleware(app: FastAPI, site: Site, direct: Direct) -> None:
    """What is added last stands outermost."""
    settings = site.settings
    if settings.rate_limit_per_minute:
        app.add_middleware(
            Throttle,
            limiter=RateLimiter(shared_counter(settings.redis_url), limit=settings.rate_limit_per_minute),
            find_caller=partial(_name_of_caller, site),
            unlimited=_UNLIMITED,
            counts_loopback=settings.mode == "production",
            counts_elsewhere=bool(settings.redis_url),
            has_thread=direct.is_served,
        )
    app.add_middleware(
        Edge, max_body_bytes=settings.max_body_bytes, hosts=settings.hosts, proxies=settings.trusted_proxies
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Operations run in as many threads as there are connections for."""
    site: Site = app.state.site
    threads = site.settings.tables_threads
    current_default_thread_limiter().total_tokens = threads
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="operation"))
    yield
    site.database.engine.dispose()


def _gauges(database: Database) -> Callable[[], Sequence[Metric]]:
    def list_all() -> Sequence[Backlog]:
        return database.read(lambda connection: list_backlogs(connection, _QUEUES))

    gauges = OutboxGauges(list_all, queues=_QUEUES)
    return lambda: gauges.read(now=clock.now())


async def _on_database_error(request: Request, error: Any) -> Response:
    """What a read met; writes are run again first. A fault of ours, such as a missing column, is one."""
    refusal = TryAgain() if isinstance(error, PoolTimeout) else refusal_of(error)
    if refusal is None:
        return failure_response(request.scope, error)
    return domain_response(request.scope, refusal, render=render_refusal)


def __getattr__(name: str) -> FastAPI:
    """The server's `application`, made when it is asked for: whoever imports the module reads no settings by that."""
    if name != "application":
        raise AttributeError(name)
    settings = TablesSettings.load()
    clock.set_offset(settings.clock_offset)
    logs.configure(settings.logging_options("tables", writer=_LOG_WRITER))
    return create_app(settings)

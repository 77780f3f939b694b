"""The partners service as a Flask application."""

import copy
import os
from typing import Any

from flask import Response
from flask_openapi.models.info import Info
from flask_openapi.openapi import OpenAPI
from pydantic_core import to_json

from bookwell.contracts.problems import Problem
from bookwell.kit import clock, logs
from bookwell.kit.adapters.flask.document import complete_document
from bookwell.kit.adapters.flask.edge import install_edge
from bookwell.kit.adapters.flask.health import install_health
from bookwell.kit.adapters.flask.problems import install_problems, invalid_request
from bookwell.kit.adapters.flask.swagger import install_swagger
from bookwell.kit.adapters.flask.throttle import install_limits
from bookwell.kit.health import Check
from bookwell.kit.jwks import trusted_issuers
from bookwell.kit.tokens import TokenVerifier
from bookwell.partners.api.access import Access
from bookwell.partners.api.availability import availability_blueprint
from bookwell.partners.api.holds import holds_blueprint
from bookwell.partners.api.partners import partners_blueprint
from bookwell.partners.api.reserve import reserve_blueprint
from bookwell.partners.configuration import read_configuration
from bookwell.partners.gateway import Gateway
from bookwell.partners.loop import PerProcess
from bookwell.partners.settings import PartnersSettings
from bookwell.partners.simulated import simulated_partners

__all__ = ["make_app"]

_TITLE = "Bookwell partners"
_DESCRIPTION = "Books in other libraries, and a door for reservations. Every error is a problem document (RFC 9457)."
_BEARER: dict[str, Any] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_LOG_WRITER = "bookwell.kit.adapters.sqlalchemy.log_table.LogTable"


def make_app(
    settings: PartnersSettings, gateway: PerProcess[Gateway], *, verifier: TokenVerifier | None = None
) -> OpenAPI:
    """The application; every process that serves it makes its own `gateway` at the first request."""
    verifier = verifier or TokenVerifier(trusted_issuers(settings.issuers_with_library))
    access = Access(verifier, library_issuer=settings.library_token_issuer)
    app = OpenAPI(
        __name__,
        info=Info(title=_TITLE, version="1", description=_DESCRIPTION),
        security_schemes={"bearer": _BEARER},
        validation_error_model=Problem,
        validation_error_callback=invalid_request,
        operation_id_callback=lambda *, name, **_: name,
        doc_ui=False,
        static_folder=None,
    )
    install_problems(app)
    install_edge(app, max_body_bytes=settings.max_body_bytes, hosts=settings.hosts)
    install_limits(app, settings, find_caller=access.find_caller)
    checks = _checks(gateway, settings)
    install_health(app, "partners", checks, can_do_without=checks)  # what is remembered is told without any of them
    install_swagger(app, _TITLE)
    for blueprint in (
        availability_blueprint(gateway),
        reserve_blueprint(gateway, access),
        holds_blueprint(gateway, access),
        partners_blueprint(gateway, access),
    ):
        app.register_api(blueprint)
    app.add_url_rule("/openapi.json", view_func=lambda: _document(app), endpoint="openapi_document", methods=["GET"])
    return app


def _checks(gateway: PerProcess[Gateway], settings: PartnersSettings) -> dict[str, Check]:
    checks: dict[str, Check] = {"library": lambda: gateway().check_library()}
    if settings.redis_url:
        checks["redis"] = lambda: gateway().check_cache()
    return checks


def _document(app: OpenAPI) -> Response:
    return Response(to_json(complete_document(copy.deepcopy(app.api_doc))), content_type="application/json")


def __getattr__(name: str) -> OpenAPI:
    """The server's `application`, made when it is asked for: whoever imports the module reads no settings by that."""
    if name != "application":
        raise AttributeError(name)
    settings = PartnersSettings.load()
    clock.set_offset(settings.clock_offset)
    logs.configure(settings.logging_options("partners", writer=_LOG_WRITER))
    simulated = simulated_partners(settings.simulators)
    entries = read_configuration(
        settings.partners_config, environ=os.environ | simulated.environ, default=simulated.configuration
    )
    gateway = PerProcess(lambda: Gateway(settings, entries))
    gateway()  # so that the first request does not wait for it
    return make_app(settings, gateway)

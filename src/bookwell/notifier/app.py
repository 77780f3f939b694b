"""The notifier over HTTP: delivery states for staff, and the mails themselves when embedded."""

import copy
from typing import Any

from flask import Response
from flask_openapi.models.info import Info
from flask_openapi.openapi import OpenAPI
from pydantic_core import to_json

from bookwell.contracts.problems import Problem
from bookwell.kit import clock, logs
from bookwell.kit.adapters.flask.auth import find_claims
from bookwell.kit.adapters.flask.document import complete_document
from bookwell.kit.adapters.flask.edge import install_edge
from bookwell.kit.adapters.flask.health import install_health
from bookwell.kit.adapters.flask.problems import install_problems, invalid_request
from bookwell.kit.adapters.flask.swagger import install_swagger
from bookwell.kit.adapters.flask.throttle import install_limits, sender_of
from bookwell.kit.adapters.sqlalchemy.readiness import database_checks
from bookwell.kit.jwks import trusted_issuers
from bookwell.kit.tokens import TokenVerifier
from bookwell.notifier.api.deliveries import deliveries_blueprint
from bookwell.notifier.api.endpoints import endpoints_blueprint
from bookwell.notifier.api.messages import messages_blueprint
from bookwell.notifier.db import Database
from bookwell.notifier.metrics import set_gauges
from bookwell.notifier.migrating import is_up_to_date
from bookwell.notifier.settings import NotifierSettings

__all__ = ["make_app"]

_TITLE = "Bookwell notifier"
_DESCRIPTION = "What was sent to whom. Every error is a problem document (RFC 9457)."
_BEARER: dict[str, Any] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def make_app(
    settings: NotifierSettings, *, database: Database | None = None, verifier: TokenVerifier | None = None
) -> OpenAPI:
    """The WSGI application."""
    database = database or Database.of_url(settings.database_url)
    verifier = verifier or TokenVerifier(trusted_issuers(settings.issuers_with_library))
    app = OpenAPI(
        __name__,
        info=Info(title=_TITLE, version="1", description=_DESCRIPTION),
        security_schemes={"bearer": _BEARER},
        validation_error_model=Problem,
        validation_error_callback=invalid_request,
        doc_ui=False,
        static_folder=None,
    )
    app.url_map.strict_slashes = False
    install_problems(app)
    install_edge(app, max_body_bytes=settings.max_body_bytes, hosts=settings.hosts)
    install_limits(app, settings, find_caller=lambda: sender_of(find_claims(verifier)))
    checks = database_checks(database.read, is_up_to_date)
    install_health(app, "notifier", checks, before_metrics=lambda: set_gauges(database))
    install_swagger(app, _TITLE)
    app.register_api(deliveries_blueprint(database, verifier))
    app.register_api(endpoints_blueprint(database, verifier))
    if settings.mode == "embedded":
        has_server = bool(settings.smtp_url.get_secret_value())
        app.register_api(messages_blueprint(settings.mail_folder, has_server=has_server))
    app.add_url_rule("/openapi.json", view_func=lambda: _document(app), endpoint="openapi_document")
    return app


def _document(app: OpenAPI) -> Response:
    return Response(to_json(complete_document(copy.deepcopy(app.api_doc))), content_type="application/json")


def __getattr__(name: str) -> OpenAPI:
    """The server's `application`, made when it is asked for: whoever imports the module reads no settings by that."""
    if name != "application":
        raise AttributeError(name)
    settings = NotifierSettings.load()
    clock.set_offset(settings.clock_offset)
    logs.configure({"level": settings.log_level, "service": "notifier"})
    return make_app(settings)

"""Webhook endpoints that need somebody: those that said they are gone, and those with dead letters."""

from typing import Any

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from bookwell.kit import clock
from bookwell.kit.adapters.flask.auth import roles_needed
from bookwell.kit.adapters.flask.edge import json_only
from bookwell.kit.tokens import TokenVerifier
from bookwell.notifier.api.schemas import EndpointBody, EndpointList, EndpointPath, ReplayBody
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.queries import list_endpoints
from bookwell.notifier.deliveries.services.endpoints import enable_endpoint_in_tx, replay_in_tx

__all__ = ["endpoints_blueprint"]

_ROLES = ("staff", "admin")
_SECURITY: list[dict[str, list[Any]]] = [{"bearer": []}]


def endpoints_blueprint(database: Database, verifier: TokenVerifier) -> APIBlueprint:
    """The operations under `/endpoints`."""
    blueprint = APIBlueprint("endpoints", __name__, url_prefix="/endpoints", abp_security=_SECURITY)
    blueprint.before_request(json_only)

    @blueprint.get("", responses={200: EndpointList})
    @roles_needed(verifier, *_ROLES)
    def list_all() -> Response:
        """Webhook endpoints that are disabled or have dead letters, by name."""
        found = database.read(list_endpoints)
        return _json(EndpointList([EndpointBody.model_validate(endpoint) for endpoint in found]))

    @blueprint.post("/<string:name>/enable", responses={200: ReplayBody})
    @roles_needed(verifier, *_ROLES)
    def enable(path: EndpointPath) -> Response:
        """Send to an endpoint again that said it is gone: its dead letters first, in their order."""
        now = clock.now()
        return _json(ReplayBody(queued=database.write(lambda tx: enable_endpoint_in_tx(tx, name=path.name, now=now))))

    @blueprint.post("/<string:name>/replay", responses={200: ReplayBody})
    @roles_needed(verifier, *_ROLES)
    def replay(path: EndpointPath) -> Response:
        """Send all dead letters of an endpoint again, in their order."""
        now = clock.now()
        return _json(ReplayBody(queued=database.write(lambda tx: replay_in_tx(tx, name=path.name, now=now))))

    return blueprint


def _json(body: EndpointList | ReplayBody) -> Response:
    return Response(body.model_dump_json(), content_type="application/json")

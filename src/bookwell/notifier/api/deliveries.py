"""Deliveries, for the staff of both services."""

from typing import Any

from flask import Response, request
from flask_openapi.blueprint import APIBlueprint

from bookwell.kit import clock
from bookwell.kit.adapters.flask.auth import roles_needed
from bookwell.kit.adapters.flask.edge import json_only
from bookwell.kit.pages import PageRequest
from bookwell.kit.tokens import TokenVerifier
from bookwell.notifier.api.schemas import (
    AttemptBody,
    DeliveryBody,
    DeliveryDetail,
    DeliveryPage,
    DeliveryPath,
    DeliveryQuery,
)
from bookwell.notifier.db import Database, milliseconds
from bookwell.notifier.deliveries.queries import Filter, get_delivery, list_attempts, list_deliveries
from bookwell.notifier.deliveries.services.record import retry_in_tx

__all__ = ["deliveries_blueprint"]

_READERS = ("librarian", "staff", "admin")
_RETRIERS = ("librarian", "admin")
_SECURITY: list[dict[str, list[Any]]] = [{"bearer": []}]


def deliveries_blueprint(database: Database, verifier: TokenVerifier) -> APIBlueprint:
    """The operations under `/deliveries`."""
    blueprint = APIBlueprint("deliveries", __name__, url_prefix="/deliveries", abp_security=_SECURITY)
    blueprint.before_request(json_only)

    @blueprint.get("", responses={200: DeliveryPage})
    @roles_needed(verifier, *_READERS)
    def list_all(query: DeliveryQuery) -> Response:
        """Deliveries, newest first."""
        params = [(name, value) for name, value in request.args.items() if name in DeliveryQuery.model_fields]
        page = PageRequest.read(request.path, params, limit=query.limit, cursor=query.cursor, shape=(int, str))
        state = query.state.value if query.state else ""
        wanted = Filter(state, query.event, query.recipient, query.aggregate)
        rows = database.read(
            lambda connection: list_deliveries(connection, wanted, position=page.position, limit=page.limit + 1)
        )
        found = page.page(rows, key=lambda row: (milliseconds(row.created_at), row.id))
        items = [DeliveryBody.model_validate(row) for row in found.items]
        return _json(DeliveryPage(items=items, next=found.next, previous=found.previous))

    @blueprint.get("/<string:delivery_id>", responses={200: DeliveryDetail})
    @roles_needed(verifier, *_READERS)
    def get_one(path: DeliveryPath) -> Response:
        """One delivery, and what became of each attempt."""
        return _json(_detail(database, path.delivery_id))

    @blueprint.post("/<string:delivery_id>/retry", responses={200: DeliveryDetail})
    @roles_needed(verifier, *_RETRIERS)
    def retry(path: DeliveryPath) -> Response:
        """Send a failed delivery again; it is queued, and has as many attempts as a new one."""
        now = clock.now()
        database.write(lambda connection: retry_in_tx(connection, delivery_id=path.delivery_id, now=now))
        return _json(_detail(database, path.delivery_id))

    return blueprint


def _detail(database: Database, delivery_id: str) -> DeliveryDetail:
    found = database.read(lambda connection: get_delivery(connection, delivery_id))
    attempts = database.read(lambda connection: list_attempts(connection, delivery_id))
    return DeliveryDetail(
        delivery=DeliveryBody.model_validate(found),
        attempts=[AttemptBody.model_validate(attempt) for attempt in attempts],
    )


def _json(body: DeliveryPage | DeliveryDetail) -> Response:
    return Response(body.model_dump_json(), content_type="application/json")

"""Holds at partners, for the library service alone."""

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from bookwell.contracts.partners import HoldRequest, HoldState
from bookwell.contracts.problems import Problem
from bookwell.kit.adapters.flask.edge import json_only
from bookwell.kit.adapters.flask.operations import operation
from bookwell.partners.api.access import Access
from bookwell.partners.api.schemas import HoldPath, PartnerPath
from bookwell.partners.gateway import Gateway
from bookwell.partners.loop import PerProcess

__all__ = ["holds_blueprint"]


def holds_blueprint(gateway: PerProcess[Gateway], access: Access) -> APIBlueprint:
    """`/partners/<name>/reservations` and what is below it."""
    blueprint = APIBlueprint("holds", __name__, abp_security=[{"bearer": []}])
    blueprint.before_request(json_only)

    @blueprint.post("/partners/<name>/reservations", responses={200: HoldState})
    @operation(access.library_service)
    def place_hold(path: PartnerPath, body: HoldRequest) -> Response:
        """Place a hold; again with the same `reference` it is the same hold. `refused` is the partner's last word."""
        return _answer(gateway().holds.place(path.name, body))

    @blueprint.get("/partners/<name>/reservations/<ref>", responses={200: HoldState, 409: Problem})
    @operation(access.library_service)
    def get_hold(path: HoldPath) -> Response:
        """A hold's state at its partner; `unknown` when the partner does not list it."""
        return _answer(gateway().holds.find(path.name, path.ref))

    @blueprint.delete("/partners/<name>/reservations/<ref>", responses={200: HoldState})
    @operation(access.library_service)
    def cancel_hold(path: HoldPath) -> Response:
        """Cancel a hold at its partner; one that is gone counts as cancelled."""
        return _answer(gateway().holds.cancel(path.name, path.ref))

    return blueprint


def _answer(state: HoldState) -> Response:
    return Response(state.model_dump_json(), content_type="application/json")

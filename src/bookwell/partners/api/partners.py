"""How the partners do, for staff."""

from flask import Response
from flask_openapi.blueprint import APIBlueprint

from bookwell.kit.adapters.flask.edge import json_only
from bookwell.kit.adapters.flask.operations import operation
from bookwell.partners.api.access import Access
from bookwell.partners.api.schemas import PartnerOut, PartnersOut
from bookwell.partners.availability.calls import Partner
from bookwell.partners.gateway import Gateway
from bookwell.partners.loop import PerProcess

__all__ = ["partners_blueprint"]


def partners_blueprint(gateway: PerProcess[Gateway], access: Access) -> APIBlueprint:
    """`/partners`."""
    blueprint = APIBlueprint("partners", __name__, abp_security=[{"bearer": []}])
    blueprint.before_request(json_only)

    @blueprint.get("/partners", responses={200: PartnersOut})
    @operation(access.staff)
    def list_partners() -> Response:
        """Each partner: protocol, state of its circuit breaker, last success, error rate, 95th percentile of times."""
        shown = PartnersOut(items=[_shown(partner) for partner in gateway().partners])
        return Response(shown.model_dump_json(), content_type="application/json")

    return blueprint


def _shown(partner: Partner) -> PartnerOut:
    statistics = partner.statistics
    p95 = statistics.p95_seconds
    return PartnerOut(
        name=partner.name,
        protocol=partner.entry.rules.protocol,
        circuit=partner.availability.circuit,
        holds_circuit=partner.holds.circuit,
        last_success_at=statistics.last_success_at,
        calls=statistics.calls,
        error_rate=statistics.error_rate,
        p95_milliseconds=None if p95 is None else round(p95 * 1000, 2),
        takes_holds=partner.adapter.takes_holds,
    )

"""The token endpoint of machine clients: OAuth 2.0's client-credentials grant, on the wire as `kit.token_requests`."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import RawBody
from bookwell.kit.adapters.fastapi.throttle import address_of
from bookwell.kit.machine_clients import ClientToken
from bookwell.kit.openapi import TOKEN_REQUEST
from bookwell.kit.token_requests import TokenRequest, answer_token_request
from bookwell.tables import staffing
from bookwell.tables.api.tokens import elsewhere, limits_of
from bookwell.tables.site import Site, SiteDep

__all__ = ["router"]

router = APIRouter(tags=["tokens"])

_EXTRA: dict[str, Any] = {"x-token-request": True, "requestBody": TOKEN_REQUEST}


class ClientTokenOut(BaseModel):
    """An access token, for so many seconds and these scopes (RFC 6749, 5.1)."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str


@router.post("/identity/o/api/token", response_model=ClientTokenOut, responses={401: {}}, openapi_extra=_EXTRA)
def issue_client_token(request: Request, site: SiteDep, body: RawBody) -> Response:
    """An access token for a machine client that proves its secret, by Basic authentication or in the form.

    Clients are made by `bookwell tables clients add`. Where an outside issuer alone is trusted, that one is asked.
    """
    if not site.identity.has_accounts:
        raise elsewhere(site)
    content_type, authorization = request.headers.get("Content-Type", ""), request.headers.get("Authorization")
    issue = partial(_issue, site, address=address_of(request))
    answer = answer_token_request(content_type, body, authorization=authorization, issue=issue)
    return Response(
        to_json(answer.content), answer.status, headers={"Content-Type": "application/json", **answer.headers}
    )


def _issue(site: Site, wanted: TokenRequest, *, address: str) -> ClientToken | None:
    attempt = staffing.Attempt(wanted.client_id, wanted.secret, address)
    return staffing.issue_client_token(
        site.database,
        site.identity,
        attempt=attempt,
        scopes=wanted.scopes,
        limits=limits_of(site),
        now=clock.now(),
    )

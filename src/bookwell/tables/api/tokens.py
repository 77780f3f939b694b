"""Logging in and out, refreshing tokens, and the keys that verify them."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.parameters import body
from bookwell.kit.adapters.fastapi.throttle import address_of
from bookwell.kit.errors import NotFound
from bookwell.kit.request_types import StrictBody
from bookwell.tables import staffing
from bookwell.tables.accounts.identity import TokenPair
from bookwell.tables.accounts.queries import LoginLimits
from bookwell.tables.accounts.rules import LONGEST_PASSWORD
from bookwell.tables.api.answers import json_answer, response_of
from bookwell.tables.handing_on import hand_on
from bookwell.tables.site import Site, SiteDep

__all__ = ["TokensElsewhere", "elsewhere", "limits_of", "router"]

router = APIRouter(tags=["tokens"])

_FRESH_SECONDS = 60


class TokensElsewhere(NotFound):
    """An outside issuer alone is trusted, whose own way in has to be taken."""

    code = "auth.tokens_elsewhere"
    title = "Tokens are issued elsewhere"


class Credentials(StrictBody):
    """Who logs in."""

    username: Annotated[str, Field(max_length=150)]
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)]


class Refresh(StrictBody):
    """The refresh token of the last answer."""

    refresh: Annotated[str, Field(max_length=200)]


class TokensOut(BaseModel):
    """A short-lived token for calls, and one for the next pair."""

    access: str
    refresh: str


@router.post("/api/token/", response_model=TokensOut, responses={401: {}})
def issue_token(request: Request, site: SiteDep, sent: Annotated[Credentials, body(Credentials)]) -> Response:
    """Tokens for a username and a password; the library's where it is the one that issues them."""
    if not site.identity.has_accounts:
        return _hand_on(request, site, "/api/token/", sent)
    attempt, limits = staffing.Attempt(sent.username, sent.password, address_of(request)), limits_of(site)
    return _tokens(staffing.log_in(site.database, site.identity, attempt=attempt, limits=limits, now=clock.now()))


@router.post("/api/token/refresh/", response_model=TokensOut, responses={401: {}})
def refresh_token(request: Request, site: SiteDep, sent: Annotated[Refresh, body(Refresh)]) -> Response:
    """The next pair of tokens.

    The refresh token changes each time. Sent again within ten seconds, the former one gets the same successor; sent
    again later it ends the session, since somebody has copied it.
    """
    if not site.identity.has_accounts:
        return _hand_on(request, site, "/api/token/refresh/", sent)
    return _tokens(staffing.refresh(site.database, site.identity, refresh_token=sent.refresh, now=clock.now()))


@router.post("/api/token/logout/", status_code=204, responses={401: {}})
def log_out(request: Request, site: SiteDep, sent: Annotated[Refresh, body(Refresh)]) -> Response:
    """End the session of a refresh token; its access tokens end with it, at once. Ending it twice is no error."""
    if not site.identity.has_accounts:
        return _hand_on(request, site, "/api/logout/", sent)
    staffing.log_out(site.database, site.identity, refresh_token=sent.refresh, now=clock.now())
    return Response(status_code=204)


@router.get("/.well-known/jwks.json", include_in_schema=False)
def jwks(site: SiteDep) -> Response:
    """The public keys of this service's own tokens (RFC 7517), older ones while their tokens live."""
    headers = {"Cache-Control": f"public, max-age={_FRESH_SECONDS}"}
    return response_of(json_answer(site.identity.jwks(), headers=headers))


def limits_of(site: Site) -> LoginLimits:
    """How often somebody may be wrong."""
    return LoginLimits(site.settings.login_failures_per_account, site.settings.login_failures_per_address)


def elsewhere(site: Site) -> TokensElsewhere:
    """Where tokens are issued, for who asks here."""
    issuers = ", ".join(each.issuer for each in site.settings.named_issuers)
    return TokensElsewhere(f"Tokens are issued by {issuers}.")


def _hand_on(request: Request, site: Site, path: str, sent: StrictBody) -> Response:
    if not site.settings.hands_on_logins:
        raise elsewhere(site)
    url = f"{site.settings.library}{path}"
    answer = hand_on(url, sent.model_dump_json().encode(), address=address_of(request))
    return response_of(answer) if answer.body else Response(status_code=answer.status)


def _tokens(pair: TokenPair) -> Response:
    return response_of(json_answer({"access": pair.access, "refresh": pair.refresh}))

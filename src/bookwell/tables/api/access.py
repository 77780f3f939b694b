"""Who calls: the bearer token, whoever trusted issued it, and what an operation needs of it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bookwell.kit import clock
from bookwell.kit.adapters.fastapi.throttle import bearer_token
from bookwell.kit.http_errors import AUTH_REQUIRED, HttpRefusal
from bookwell.kit.permissions import RoleForbidden, ScopeMissing
from bookwell.kit.tokens import Claims, TokenInvalid
from bookwell.tables.accounts.queries import find_role_in_session, find_scopes_of_client
from bookwell.tables.accounts.rules import STAFF_ROLES
from bookwell.tables.bookings.rules import Actor
from bookwell.tables.site import Site, SiteDep

__all__ = [
    "BEARER",
    "Anyone",
    "Caller",
    "Staff",
    "anyone",
    "caller_of",
    "machine",
    "staff",
]

BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="bearer")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]

_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_LONGEST_REFERENCE = 56

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is: a person with roles, or a program with scopes; `subject` is unique for its issuer alone.

    `reference` is what is kept of them beside what they did: an own account's number, `NUMBER@HOST` of others.
    """

    kind: Literal["user", "client"]
    issuer: str
    subject: str
    roles: frozenset[str]
    scopes: frozenset[str]
    reference: str

    @property
    def key(self) -> str:
        """By whom idempotency keys and requests are kept apart."""
        return f"{self.issuer} {self.kind} {self.subject}"

    @property
    def is_staff(self) -> bool:
        """Whether it is an employee or administrator of the restaurant."""
        return bool(self.roles & STAFF_ROLES)

    @property
    def actor(self) -> Actor:
        """The caller as bookings know them."""
        return Actor("staff", self.reference)


def caller_of(request: Request, site: Site, token: str) -> Caller | None:
    """Whose token it is; None when it is not good, or its session with us has ended. Who is found, is found once.

    Raises:
        IssuerUnreachable: if nothing can be said of an outside token.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        caller = request.state.caller = _find_caller(site, token)
    return caller


def _find_caller(site: Site, token: str) -> Caller | None:
    try:
        claims = site.identity.verifier.verify(token, now=clock.now())
    except TokenInvalid as error:
        _log.info("auth.token_refused", reason=str(error))
        return None
    if claims.subject is None:
        return _client_of(site, claims)
    if claims.issuer != site.identity.issuer:
        return _user_of(claims, claims.subject, frozenset(claims.roles), f"@{urlsplit(claims.issuer).netloc}")
    role = _own_role(site, claims)
    return _user_of(claims, claims.subject, frozenset({role}), "") if role else None


def staff(request: Request, site: SiteDep, credentials: Credentials) -> Caller:
    """An employee or administrator of the restaurant.

    Raises:
        HttpRefusal: 401 without a good token.
        RoleForbidden: for others.
    """
    caller = _authenticated(request, site, credentials)
    if not caller.is_staff:
        raise RoleForbidden
    return caller


Staff = Annotated[Caller, Depends(staff)]
"""An operation's parameter: the employee who calls."""


def anyone(request: Request, site: SiteDep) -> Caller | None:
    """Who calls an operation that needs no token; one that is sent must be good.

    Raises:
        HttpRefusal: 401 for a token that is not good.
    """
    token = bearer_token(request)
    return _owner_of(request, site, token) if token else None


Anyone = Annotated[Caller | None, Depends(anyone)]
"""An operation's parameter: who calls, None for a stranger."""


def machine(scope: str) -> Callable[..., Caller]:
    """A dependency that lets machine clients with the scope pass, answers others 401 or 403.

    Some issuers name a subject for programs too (Keycloak a service account): the client and its scope count.
    """

    def client(request: Request, site: SiteDep, credentials: Credentials) -> Caller:
        caller = _authenticated(request, site, credentials)
        if scope not in caller.scopes:
            raise ScopeMissing if caller.kind == "client" else RoleForbidden
        return caller

    return client


def _authenticated(request: Request, site: Site, credentials: HTTPAuthorizationCredentials | None) -> Caller:
    return _owner_of(request, site, credentials.credentials.strip() if credentials else "")


def _owner_of(request: Request, site: Site, token: str) -> Caller:
    """Most have been found by whoever counts requests."""
    caller = caller_of(request, site, token) if token else None
    if caller is None:
        raise HttpRefusal(AUTH_REQUIRED, headers=_CHALLENGE)
    return caller


def _own_role(site: Site, claims: Claims) -> str | None:
    sid, subject = claims.session_id or "", claims.subject or ""
    return site.database.read(lambda connection: find_role_in_session(connection, sid, subject=subject))


def _user_of(claims: Claims, subject: str, roles: frozenset[str], suffix: str) -> Caller:
    scopes = frozenset(claims.scopes) if claims.client_id is not None else frozenset[str]()
    return Caller("user", claims.issuer, subject, roles, scopes, _short(subject + suffix))


def _client_of(site: Site, claims: Claims) -> Caller | None:
    """Of an own one, what both the token and the client have: one that was revoked is let in no more."""
    client_id, scopes = claims.client_id, frozenset(claims.scopes)
    if client_id is None:
        return None
    if claims.issuer == site.identity.issuer:
        granted = site.database.read(lambda connection: find_scopes_of_client(connection, client_id))
        if granted is None:
            return None
        scopes &= granted
    return Caller("client", claims.issuer, client_id, frozenset(), scopes, client_id)


def _short(reference: str) -> str:
    """An outside issuer's subject may be as long as it likes; the column is not."""
    if len(reference) <= _LONGEST_REFERENCE:
        return reference
    return "sha256:" + hashlib.sha256(reference.encode()).hexdigest()[:40]

"""Bearer tokens in a Flask service, and the roles that operations need."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from flask import g, request
from flask_openapi.request import validate_request

from bookwell.kit import clock
from bookwell.kit.http_errors import AUTH_REQUIRED, HttpRefusal
from bookwell.kit.jwks import IssuerUnreachable
from bookwell.kit.permissions import RoleForbidden
from bookwell.kit.tokens import Claims, TokenInvalid, TokenVerifier

__all__ = ["authenticated", "caller", "find_claims", "roles_needed"]

P = ParamSpec("P")
T = TypeVar("T")

_CHALLENGE = {"WWW-Authenticate": "Bearer"}

_log = structlog.get_logger()


def roles_needed(verifier: TokenVerifier, *roles: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let only callers pass whose valid token names one of `roles`; others get 401 or 403.

    What they sent is held against its schema after that: strangers learn nothing about it.
    """

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        validated: Callable[P, T] = validate_request()(view)  # type: ignore[no-untyped-call]  # the library's

        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            g.claims = authenticated(verifier)
            if not set(roles) & set(g.claims.roles):
                raise RoleForbidden
            return validated(*args, **kwargs)

        return guarded

    return decorate


def caller() -> Claims:
    """Who calls an operation that needs a role."""
    claims: Claims = g.claims
    return claims


def find_claims(verifier: TokenVerifier) -> Claims | None:
    """The claims of the request's bearer token; None where it has none, or not a good one as far as can be told now."""
    token = _bearer_token()
    try:
        return verifier.verify(token, now=clock.now()) if token else None
    except (TokenInvalid, IssuerUnreachable):
        return None


def authenticated(verifier: TokenVerifier) -> Claims:
    """The claims of the request's bearer token.

    Raises:
        HttpRefusal: 401 when there is none, or not a good one.
    """
    token = _bearer_token()
    if not token:
        raise HttpRefusal(AUTH_REQUIRED, headers=_CHALLENGE)
    try:
        return verifier.verify(token, now=clock.now())
    except TokenInvalid as error:
        _log.info("auth.token_refused", reason=str(error))
        raise HttpRefusal(AUTH_REQUIRED, headers=_CHALLENGE) from None


def _bearer_token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

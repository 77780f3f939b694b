"""This service's tokens: its key ring, who signs, whom it trusts. Made once a process, on first use."""

import datetime as dt
import hmac
from functools import cache

from django.conf import settings

from bookwell.kit import ids
from bookwell.kit.jwks import trusted_issuers
from bookwell.kit.key_ring import KeyRing
from bookwell.kit.tokens import TokenSigner, TokenVerifier, TrustedIssuer
from bookwell.library.accounts.models import User

__all__ = ["key_ring", "refresh_key", "sign_as_library", "sign_for_service", "signer", "verifier"]

_MARGIN = dt.timedelta(minutes=5)
_ONE_CALL = dt.timedelta(seconds=60)


@cache
def key_ring() -> KeyRing:
    """The keys; one that was rotated away stays published until its last token is dead, and a margin."""
    retain = settings.ACCESS_TOKEN_LIFETIME + _MARGIN
    return KeyRing(settings.KEYS_DIR, configured=settings.SIGNING_KEYS.encode(), retain=retain)


@cache
def signer() -> TokenSigner:
    """Signs access tokens."""
    return TokenSigner(
        key_ring(),
        issuer=settings.TOKEN_ISSUER,
        audience=settings.TOKEN_AUDIENCE,
        lifetime=settings.ACCESS_TOKEN_LIFETIME,
    )


@cache
def _service_signer() -> TokenSigner:
    return TokenSigner(key_ring(), issuer=settings.TOKEN_ISSUER, audience=settings.TOKEN_AUDIENCE, lifetime=_ONE_CALL)


def sign_for_service(user: User, *, now: dt.datetime) -> str:
    """A token for one call to another service in the user's name; the library's own API refuses it.

    It names a session that does not exist.
    """
    return _service_signer().sign(subject=str(user.pk), session_id=ids.new_id(), roles=[user.role], now=now)


def sign_as_library(*, now: dt.datetime) -> str:
    """A token for one call to another service in the library's own name."""
    return _service_signer().sign(subject="library", session_id=ids.new_id(), roles=["service"], now=now)


@cache
def verifier() -> TokenVerifier:
    """Verifies what this service signed, and what the outside issuers of the settings did."""
    own = TrustedIssuer(settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE, key_ring())
    return TokenVerifier([*trusted_issuers(settings.OUTSIDE_ISSUERS), own])


@cache
def refresh_key() -> bytes:
    """The secret that chains refresh tokens, derived from the service's own."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"bookwell refresh tokens", "sha256")

"""This service's tokens: its key ring, who signs, whom it trusts. Made once a process, on first use."""

import datetime as dt
import hmac
from functools import cache

from django.conf import settings

from bookwell.kit.key_ring import KeyRing
from bookwell.kit.tokens import TokenSigner, TokenVerifier, TrustedIssuer

__all__ = ["key_ring", "refresh_key", "signer", "verifier"]

_MARGIN = dt.timedelta(minutes=5)


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
def verifier() -> TokenVerifier:
    """Verifies what this service signed."""
    return TokenVerifier([TrustedIssuer(settings.TOKEN_ISSUER, settings.TOKEN_AUDIENCE, key_ring())])


@cache
def refresh_key() -> bytes:
    """The secret that chains refresh tokens, derived from the service's own."""
    return hmac.digest(settings.SECRET_KEY.encode(), b"bookwell refresh tokens", "sha256")

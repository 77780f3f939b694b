"""Access tokens: RS256 JSON Web Tokens, signed by one service and verified the same way by all.

A verifier trusts a list of issuers, each with the audience it must name, where its roles stand, and a source of
keys. The library's own source is its key ring; a source that fetches an issuer's JWKS has the same one method.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.utils import base64url_decode

from bookwell.kit import ids
from bookwell.kit.key_ring import KeyRing

__all__ = ["Claims", "KeySource", "TokenInvalid", "TokenSigner", "TokenVerifier", "TrustedIssuer"]

ALGORITHM = "RS256"
_REQUIRED = ["exp", "iss", "aud", "jti"]
_REMEMBERED_TOKENS = 2048
_REMEMBERED_SECONDS = 60
"""For so long at most a token goes on counting whose key its issuer has withdrawn, once that is known here."""
_LONGEST_TOKEN = 8192
# Expiry is checked against the one clock, which the demo may move; PyJWT would ask the system's.
_OPTIONS: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}


class TokenInvalid(Exception):
    """The token is no token of a trusted issuer, or its time is over. The reason is for logs, never for callers."""


class KeySource(Protocol):
    """Where an issuer's public keys are found."""

    def find_public_key(self, kid: str) -> RSAPublicKey | None:
        """The published key of that name."""


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """Whose tokens are accepted: `roles_claim` is the path to its list of roles (`("realm_access", "roles")`)."""

    issuer: str
    audience: str
    keys: KeySource = field(compare=False)
    roles_claim: tuple[str, ...] = ("roles",)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says; times are seconds since 1970.

    `subject` is None for machine clients, who have `client_id` and `scopes` (RFC 9068) instead of roles. The last three
    are an outside issuer's, and nobody's proof unless it is trusted with them.
    """

    issuer: str
    subject: str | None
    session_id: str | None
    roles: tuple[str, ...]
    token_id: str
    not_before: float
    expires_at: float
    client_id: str | None = None
    scopes: tuple[str, ...] = ()
    username: str | None = None
    email: str | None = None
    is_email_verified: bool = False


class TokenSigner:
    """Issues access tokens for one issuer and audience, each valid for `lifetime`."""

    def __init__(self, ring: KeyRing, *, issuer: str, audience: str, lifetime: dt.timedelta) -> None:
        self._ring = ring
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime

    def sign(self, *, subject: str, session_id: str, roles: Sequence[str], now: dt.datetime) -> str:
        """A token for `subject`, tied to the session `session_id`."""
        return self._sign({"sub": subject, "sid": session_id, "roles": list(roles)}, now)

    def sign_for_client(self, *, client_id: str, scopes: Sequence[str], now: dt.datetime) -> str:
        """A token for a machine client: no subject, no session, no role."""
        return self._sign({"client_id": client_id, "scope": " ".join(scopes)}, now)

    def _sign(self, who: Mapping[str, Any], now: dt.datetime) -> str:
        key = self._ring.signing_key()
        issued_at = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            **who,
            "iat": issued_at,
            "exp": issued_at + int(self._lifetime.total_seconds()),
            "jti": ids.new_id(),
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


class TokenVerifier:
    """Verifies tokens of the trusted issuers. Signatures already checked are remembered for a minute, up to a bound."""

    def __init__(self, issuers: Sequence[TrustedIssuer]) -> None:
        self._issuers = {trusted.issuer: trusted for trusted in issuers}
        self._claims_of = lru_cache(maxsize=_REMEMBERED_TOKENS)(self._decode)

    def verify(self, token: str, *, now: dt.datetime) -> Claims:
        """The claims of a token that is valid at `now`.

        Raises:
            TokenInvalid: if its algorithm, key, signature, issuer, audience, claims or time is wrong.
        """
        instant = now.timestamp()
        claims = self._claims_of(token, instant // _REMEMBERED_SECONDS)
        if not claims.not_before <= instant < claims.expires_at:
            raise TokenInvalid("expired, or not valid yet")
        return claims

    def _decode(self, token: str, _minute: float) -> Claims:
        if len(token) > _LONGEST_TOKEN:
            raise TokenInvalid("too long")
        try:
            header, unverified = _unverified(token)
            trusted = self._trusted_issuer(unverified)
            key = self._public_key(trusted, header)
            payload = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=trusted.audience, issuer=trusted.issuer, options=_OPTIONS
            )
            return _claims(payload, trusted)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenInvalid(str(error)) from error

    def _trusted_issuer(self, payload: Mapping[str, Any]) -> TrustedIssuer:
        issuer = payload.get("iss")
        trusted = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if trusted is None:
            raise TokenInvalid("issuer is not trusted")
        return trusted

    def _public_key(self, trusted: TrustedIssuer, header: Mapping[str, Any]) -> RSAPublicKey:
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(kid, str):
            raise TokenInvalid("algorithm or key id is wrong")
        key = trusted.keys.find_public_key(kid)
        if key is None:
            raise TokenInvalid("key is unknown")
        return key


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and payload that a token claims to have, only to find the key that it must be verified with.

    Raises:
        ValueError, TypeError: if it is no token.
    """
    header, payload = (json.loads(base64url_decode(part)) for part in token.split(".")[:2])
    if not (isinstance(header, dict) and isinstance(payload, dict)):
        raise TypeError("no objects")
    return header, payload


def _claims(payload: Mapping[str, Any], trusted: TrustedIssuer) -> Claims:
    scope = _text(payload, "scope")
    return Claims(
        issuer=trusted.issuer,
        subject=_text(payload, "sub"),
        session_id=_text(payload, "sid"),
        roles=_roles(payload, trusted.roles_claim),
        token_id=str(payload["jti"]),
        not_before=float(payload.get("nbf", 0)),
        expires_at=float(payload["exp"]),
        client_id=_text(payload, "client_id"),
        scopes=tuple(scope.split()) if scope is not None else (),
        username=_text(payload, "preferred_username"),
        email=_text(payload, "email"),
        is_email_verified=payload.get("email_verified") is True,
    )


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return value if isinstance(value, str) else None


def _roles(payload: Mapping[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    value: Any = payload
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return tuple(role for role in value if isinstance(role, str)) if isinstance(value, list) else ()

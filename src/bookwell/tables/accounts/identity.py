"""Who signs this service's tokens, and whose tokens count here. Made once a process."""

import datetime as dt
import hmac
from dataclasses import dataclass
from typing import Self

from bookwell.kit.jwks import trusted_issuers
from bookwell.kit.key_ring import KeyRing, load_or_create_secret
from bookwell.kit.tokens import TokenSigner, TokenVerifier, TrustedIssuer
from bookwell.tables.accounts.services.sessions import Chain, Opened
from bookwell.tables.settings import TablesSettings

__all__ = ["Identity", "TokenPair"]

_MARGIN = dt.timedelta(minutes=5)
_NO_KEYS: dict[str, list[dict[str, str]]] = {"keys": []}


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a log-in and a refresh give."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class Identity:
    """The service as an issuer and a verifier of tokens; `ring` and `signer` are None without accounts of its own."""

    issuer: str
    ring: KeyRing | None
    signer: TokenSigner | None
    verifier: TokenVerifier
    chain: Chain

    @classmethod
    def of_settings(cls, settings: TablesSettings) -> Self:
        """What the settings say; no key is made or fetched before the first token."""
        outside = trusted_issuers(settings.named_issuers)
        lifetime = dt.timedelta(days=settings.refresh_token_days)
        if not settings.tables_local_accounts:
            return cls(settings.public_url, None, None, TokenVerifier(outside), Chain(b"", lifetime))
        access_lifetime = dt.timedelta(seconds=settings.access_token_seconds)
        keys = settings.tables_signing_keys.get_secret_value().encode()
        ring = KeyRing(settings.keys_dir, configured=keys, retain=access_lifetime + _MARGIN)
        audience = settings.token_audience
        own = TrustedIssuer(settings.public_url, audience, ring)
        secret = settings.secret_key.get_secret_value() or load_or_create_secret(settings.keys_dir / "secret")
        return cls(
            issuer=settings.public_url,
            ring=ring,
            signer=TokenSigner(ring, issuer=settings.public_url, audience=audience, lifetime=access_lifetime),
            verifier=TokenVerifier([*outside, own]),
            chain=Chain(hmac.digest(secret.encode(), b"bookwell tables refresh tokens", "sha256"), lifetime),
        )

    def tokens_of(self, opened: Opened, *, now: dt.datetime) -> TokenPair:
        """The tokens of a session of an own account.

        Raises:
            RuntimeError: if there are no own accounts.
        """
        if self.signer is None:
            raise RuntimeError("own accounts are off")
        sid, roles = opened.token.session_id, [opened.role]
        access = self.signer.sign(subject=str(opened.account_id), session_id=sid, roles=roles, now=now)
        return TokenPair(access, str(opened.token))

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys that verify this service's own tokens."""
        return self.ring.jwks() if self.ring else _NO_KEYS

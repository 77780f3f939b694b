"""Who signs this service's tokens, and whose tokens count here. Made once a process."""

import datetime as dt
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bookwell.kit.jwks import trusted_issuers
from bookwell.kit.key_ring import KeyRing, load_or_create_secret
from bookwell.kit.machine_clients import ClientToken
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


class Identity:
    """The service as an issuer and a verifier of tokens; no key is made or fetched before the first token."""

    def __init__(self, settings: TablesSettings) -> None:
        self._settings = settings
        self._access_lifetime = dt.timedelta(seconds=settings.access_token_seconds)
        keys = settings.tables_signing_keys.get_secret_value().encode()
        self._ring = KeyRing(settings.keys_dir, configured=keys, retain=self._access_lifetime + _MARGIN)
        self.issuer = settings.public_url
        self.has_accounts = settings.tables_local_accounts
        own = TrustedIssuer(self.issuer, settings.token_audience, self._ring)
        outside = trusted_issuers(settings.named_issuers)
        self.verifier = TokenVerifier([*outside, own] if self.has_accounts else outside)

    @cached_property
    def chain(self) -> Chain:
        """How refresh tokens follow one another."""
        secret = self._settings.secret_key.get_secret_value()
        secret = secret or load_or_create_secret(self._settings.keys_dir / "secret")
        key = hmac.digest(secret.encode(), b"bookwell tables refresh tokens", "sha256")
        return Chain(key, dt.timedelta(days=self._settings.refresh_token_days))

    def tokens_of(self, opened: Opened, *, now: dt.datetime) -> TokenPair:
        """The tokens of a session of an own account."""
        sid, roles = opened.token.session_id, [opened.role]
        access = self._signer.sign(subject=str(opened.account_id), session_id=sid, roles=roles, now=now)
        return TokenPair(access, str(opened.token))

    def token_of_client(self, client_id: str, scopes: Sequence[str], *, now: dt.datetime) -> ClientToken:
        """A token for a program, without a session."""
        access = self._signer.sign_for_client(client_id=client_id, scopes=scopes, now=now)
        return ClientToken(access, int(self._access_lifetime.total_seconds()), scopes)

    @cached_property
    def _signer(self) -> TokenSigner:
        audience = self._settings.token_audience
        return TokenSigner(self._ring, issuer=self.issuer, audience=audience, lifetime=self._access_lifetime)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys that verify this service's own tokens; none where it has no accounts."""
        return self._ring.jwks() if self.has_accounts else _NO_KEYS

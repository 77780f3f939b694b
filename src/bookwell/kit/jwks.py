"""Keys of outside issuers, fetched from where they publish them (RFC 7517).

A request never makes more than one fetch begin, and fetches of an issuer begin at least ten seconds apart (one second
until it answered once): made-up key ids cause no storm. Nobody waits longer than two seconds. While an issuer does not
answer, its last good keys hold.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bookwell.kit.errors import Unavailable
from bookwell.kit.issuers import NamedIssuer
from bookwell.kit.tokens import ALGORITHM, TrustedIssuer

__all__ = ["IssuerUnreachable", "JwksSource", "fetch_key_set", "trusted_issuers"]

_DISCOVERY = "/.well-known/openid-configuration"
_USUAL_PLACE = "/.well-known/jwks.json"
_WAIT_SECONDS = 2.0
_FRESH_SECONDS = 300.0
_PAUSE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 1.0  # until an issuer that starts beside us has answered once
_NEVER = float("-inf")
_LONGEST_DOCUMENT = 262_144

_log = structlog.get_logger()


class IssuerUnreachable(Unavailable):
    """The issuer of the token has not answered since this process began."""

    code = "auth.issuer_unreachable"
    title = "Tokens cannot be checked now"
    retry_after = 2


Fetch = Callable[[str], Mapping[str, Any]]
"""The key set of an issuer; raises when there is none to be had."""


class JwksSource:
    """The public keys of one issuer; safe to use from many threads. Nothing is fetched before the first question."""

    def __init__(
        self, issuer: str, *, fetch: "Fetch | None" = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch or fetch_key_set
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._keys: Mapping[str, RSAPublicKey] = {}
        self._fetched_at = self._began_at = _NEVER
        self._running: threading.Event | None = None

    def find_public_key(self, kid: str) -> RSAPublicKey | None:
        """The issuer's key of that name. Waits, up to two seconds, only for one that is not known yet.

        Raises:
            IssuerUnreachable: if it never published any keys to us: then nothing can be said of a token.
        """
        known = self._keys.get(kid)
        if known is not None and self._monotonic() - self._fetched_at < _FRESH_SECONDS:
            return known
        running = self._begin()
        if known is None and running is not None:
            running.wait(_WAIT_SECONDS)
        if self._fetched_at == _NEVER:
            raise IssuerUnreachable
        return self._keys.get(kid)

    def _begin(self) -> threading.Event | None:
        """The fetch that runs, begun now unless the last one began a moment ago; None when there is none."""
        with self._guard:
            pause = _FIRST_PAUSE_SECONDS if self._fetched_at == _NEVER else _PAUSE_SECONDS
            if self._running is None and self._monotonic() - self._began_at >= pause:
                self._began_at = self._monotonic()
                self._running = self._start()
            return self._running

    def _start(self) -> threading.Event | None:
        done = threading.Event()
        try:
            threading.Thread(target=self._refresh, args=(done,), daemon=True).start()
        except RuntimeError as error:  # the machine has no room for one more; the next question tries again
            _log.warning("jwks.fetch_failed", issuer=self._issuer, error=type(error).__name__)
            return None
        return done

    def _refresh(self, done: threading.Event) -> None:
        try:
            keys = _keys_of(self._fetch(self._issuer))
        except Exception as error:  # noqa: BLE001 -- whatever an issuer does, the last good keys hold
            _log.warning("jwks.fetch_failed", issuer=self._issuer, error=type(error).__name__)
        else:
            self._keys, self._fetched_at = keys, self._monotonic()
        finally:
            with self._guard:
                self._running = None
            done.set()


def fetch_key_set(issuer: str, *, jwks_url: str | None = None) -> Mapping[str, Any]:
    """Get an issuer's keys from `jwks_url`.

    Without it the issuer is asked where they are (OpenID Connect Discovery; `/.well-known/jwks.json` without it).

    Raises:
        httpx2.HTTPError, ValueError: if it does not answer, or not with a key set.
    """
    base = issuer.rstrip("/")
    is_local = _is_local(jwks_url or base)
    with httpx2.Client(timeout=_WAIT_SECONDS, trust_env=not is_local, follow_redirects=False) as client:
        place = jwks_url or _discover(client, base)
        return _document(client.get(place).raise_for_status())


def _discover(client: httpx2.Client, base: str) -> str:
    found = client.get(base + _DISCOVERY)
    place = _document(found).get("jwks_uri") if found.status_code == httpx2.codes.OK else base + _USUAL_PLACE
    if not isinstance(place, str):
        raise ValueError("the issuer's configuration names no keys")  # noqa: TRY004 -- a wrong answer, no wrong call
    return place


def trusted_issuers(named: Iterable[NamedIssuer]) -> list[TrustedIssuer]:
    """What a `TokenVerifier` takes: each issuer with a source of its keys, from which nothing is fetched yet."""
    return [
        TrustedIssuer(
            issuer=each.issuer,
            audience=each.audience,
            keys=JwksSource(each.issuer, fetch=partial(fetch_key_set, jwks_url=each.jwks_url)),
            roles_claim=each.roles_claim,
        )
        for each in named
    ]


def _document(response: httpx2.Response) -> Mapping[str, Any]:
    if len(response.content) > _LONGEST_DOCUMENT:
        raise ValueError("the issuer's answer is too long")
    document = json.loads(response.content)
    if not isinstance(document, dict):
        raise ValueError("the issuer's answer is no JSON object")  # noqa: TRY004 -- a wrong answer, no wrong call
    return document


def _keys_of(key_set: Mapping[str, Any]) -> Mapping[str, RSAPublicKey]:
    """The set's keys that can verify our algorithm; others in it are not ours to judge."""
    found = {}
    for member in key_set["keys"]:
        if member.get("kty") != "RSA" or member.get("use", "sig") != "sig" or "kid" not in member:
            continue
        if member.get("alg", ALGORITHM) == ALGORITHM:
            key = jwt.PyJWK.from_dict(member, algorithm=ALGORITHM).key
            if isinstance(key, RSAPublicKey):
                found[str(member["kid"])] = key
    return found


def _is_local(url: str) -> bool:
    """Whether the URL names this machine, which no proxy reaches."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): what is kept of an answer, and how keys compare."""

import hashlib
import re
from dataclasses import dataclass, field

from bookwell.kit.errors import Conflict, Invalid, Unavailable

__all__ = ["Answer", "IdempotencyKey", "InFlight", "KeyInvalid", "KeyReused", "TryAgain", "fingerprint_of", "parse_key"]

_KEY = re.compile(r"""^(?:"([\x20\x21\x23-\x7e]{1,200})"|([\x21\x23-\x7e]{1,200}))$""")


class KeyReused(Invalid):
    """The key was used before with another request."""

    code = "idempotency.key_reused"
    title = "Idempotency key was used for another request"


class KeyInvalid(Invalid):
    """The header is no key: empty, too long or with control characters."""

    code = "idempotency.key_invalid"
    title = "Idempotency-Key is not valid"


class InFlight(Conflict):
    """The first request with this key is still running."""

    code = "idempotency.in_flight"
    title = "The first request with this key is still running"
    retryable = True
    retry_after = 1


class TryAgain(Unavailable):
    """The database refused the transaction too often (deadlock, lock time-out, serialization failure)."""

    code = "database.busy"
    title = "The database is busy"


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished HTTP answer: what is sent now and replayed later."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key for one operation; `fingerprint` tells whether the request is the same."""

    scope: str
    key: str
    fingerprint: str


def parse_key(header: str) -> str:
    """The key of a header, quoted or bare.

    Raises:
        KeyInvalid: if it is empty, longer than 200 characters or not printable ASCII.
    """
    match = _KEY.match(header.strip())
    if match is None:
        raise KeyInvalid
    return match[1] or match[2]


def fingerprint_of(*parts: str | bytes) -> str:
    """SHA-256 of a request's identifying parts, in hexadecimal."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in raw)).hexdigest()

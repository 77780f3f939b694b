"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): what is kept of an answer, and how keys compare."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from bookwell.kit.errors import Conflict, DomainError, Invalid, Unavailable

__all__ = [
    "AlreadyKept",
    "Answer",
    "IdempotencyKey",
    "InFlight",
    "KeyInvalid",
    "KeyReused",
    "TryAgain",
    "answer_once",
    "fingerprint_of",
    "parse_key",
]

_CLAIMS = 3
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


class AlreadyKept(Exception):
    """Another request with this key has an answer: what this one did must be rolled back."""


def answer_once(
    work: Callable[[], Answer],
    *,
    keep: Callable[[Answer], Answer],
    find: Callable[[], Answer | None],
    render: Callable[[DomainError], Answer],
) -> Answer:
    """Give every caller with one key the same answer, refusals included (ADR 0012).

    Each of the first three has a transaction of its own: `work` keeps its answer as the last statement beside its
    effect, `keep` a refusal's, whose effect was rolled back; both raise `AlreadyKept` where a duplicate was first,
    whose answer is `find`'s. Answers that invite a retry (503, 409 in flight, all that are `retryable`) are not kept.

    Raises:
        KeyReused, InFlight, and whatever is `retryable`
    """
    for _ in range(_CLAIMS):
        try:
            return _work_and_keep(work, keep, render)
        except AlreadyKept:
            kept = find()
            if kept is not None:
                return kept
    raise InFlight


def _work_and_keep(
    work: Callable[[], Answer], keep: Callable[[Answer], Answer], render: Callable[[DomainError], Answer]
) -> Answer:
    try:
        return work()
    except DomainError as error:
        if error.retryable:
            raise
        refusal = render(error)
    return keep(refusal)


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

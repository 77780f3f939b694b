"""Refresh tokens: opaque to clients, chained by a secret of the server, kept as a SHA-256 only.

A token is `session.generation.secret`. A session's first secret is random; each next one is the HMAC of the one
before under the server's key. So the answer to a rotation need not be stored to be given again: whoever repeats a
refresh within the grace (a lost answer, two tabs at once) gets the very same successor. And an old token proves that
it was once real by leading to the present one, which a guess does not: knowing a session's id ends nobody's session.
"""

import datetime as dt
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256

__all__ = ["GRACE", "RefreshToken", "Standing", "standing_of"]

GRACE = dt.timedelta(seconds=10)
"""How long after a rotation its predecessor still gets the same answer again."""

_LONGEST_CHAIN = 10_000
_SECRET_CHARACTERS = 43


class Standing(Enum):
    """What a presented token is to its session."""

    CURRENT = auto()
    REPEATED = auto()
    REPLAYED = auto()
    FORGED = auto()


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One generation of a session's refresh token."""

    session_id: str
    generation: int
    secret: str

    @classmethod
    def first(cls, session_id: str) -> "RefreshToken":
        """The token that begins a session."""
        return cls(session_id, 0, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "RefreshToken | None":
        """The token that a client sent; None where it has not even the form of one."""
        session_id, _, rest = text.partition(".")
        generation, _, secret = rest.partition(".")
        if not generation.isdecimal() or not generation.isascii() or len(generation) > 9 or len(session_id) > 36:
            return None
        if len(secret) != _SECRET_CHARACTERS or not secret.isascii():
            return None
        return cls(session_id, int(generation), secret)

    def successor(self, key: bytes) -> "RefreshToken":
        """The next generation's token."""
        return RefreshToken(self.session_id, self.generation + 1, _next(self.secret, key))

    def digest(self) -> str:
        """What the database keeps."""
        return sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.session_id}.{self.generation}.{self.secret}"


def standing_of(
    token: RefreshToken, *, generation: int, digest: str, rotated_at: dt.datetime, now: dt.datetime, key: bytes
) -> Standing:
    """Judge a token against its session's present `generation` and the `digest` of that generation's secret."""
    steps = generation - token.generation
    if not 0 <= steps <= _LONGEST_CHAIN:
        return Standing.FORGED
    secret = token.secret
    for _ in range(steps):
        secret = _next(secret, key)
    if not hmac.compare_digest(sha256(secret.encode()).hexdigest(), digest):
        return Standing.FORGED
    if steps == 0:
        return Standing.CURRENT
    return Standing.REPEATED if steps == 1 and now - rotated_at <= GRACE else Standing.REPLAYED


def _next(secret: str, key: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(key, secret.encode(), "sha256")).rstrip(b"=").decode()

"""Signatures of webhooks, made and checked (Standard Webhooks, symmetric).

The content that is signed is `id.timestamp.body`, by HMAC-SHA256, with the raw bytes of the body. While a secret is
replaced by another, both sign, and one that matches is enough.
"""

import binascii
import datetime as dt
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

__all__ = ["TOLERANCE", "SignatureInvalid", "WebhookSecret", "sign", "verify"]

TOLERANCE = dt.timedelta(seconds=300)
"""How far a message's timestamp may be from the receiver's clock, either way."""

_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_VERSION = "v1"
_LONGEST_ID = 128
_LONGEST_TIMESTAMP = 12
_MOST_SIGNATURES = 20


class SignatureInvalid(Exception):
    """The message is not from whom it should be, or not of now; nothing more is said."""


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A key that both sides know; its text never shows in a representation."""

    key: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The secret of `whsec_` and 24 to 64 bytes in base64.

        Raises:
            ValueError: that does not repeat the text.
        """
        encoded = text.strip()
        if not encoded.startswith(_PREFIX):
            raise ValueError("does not begin with whsec_")
        try:
            key = b64decode(encoded.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is no base64 behind whsec_") from None
        if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
            raise ValueError(f"has {len(key)} bytes, not {_LEAST_BYTES} to {_MOST_BYTES}")
        return cls(key)

    def signature_of(self, content: bytes) -> bytes:
        """HMAC-SHA256 of the content."""
        return hmac.digest(self.key, content, hashlib.sha256)


def sign(secrets: Sequence[WebhookSecret], *, message_id: str, sent_at: dt.datetime, body: bytes) -> dict[str, str]:
    """The headers of one attempt, signed with each secret."""
    timestamp = str(int(sent_at.timestamp()))
    content = _content(message_id, timestamp, body)
    signatures = (f"{_VERSION},{b64encode(secret.signature_of(content)).decode()}" for secret in secrets)
    return {_ID: message_id, _TIMESTAMP: timestamp, _SIGNATURE: " ".join(signatures)}


def verify(headers: Mapping[str, str], body: bytes, *, secrets: Iterable[WebhookSecret], now: dt.datetime) -> str:
    """The id of a message that one of the secrets signed; insert it under a unique constraint beside its effect.

    Raises:
        SignatureInvalid: if a header is missing or odd, the timestamp is too far from `now`, or nothing matches.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = given.get(_ID, ""), given.get(_TIMESTAMP, "")
    if not _is_id(message_id) or not _is_current(timestamp, now):
        raise SignatureInvalid
    content = _content(message_id, timestamp, body)
    expected = [secret.signature_of(content) for secret in secrets]
    found = list(_signatures(given.get(_SIGNATURE, "")))
    # Every pair is compared: how long it takes tells nothing.
    if not sum(hmac.compare_digest(one, other) for one in expected for other in found):
        raise SignatureInvalid
    return message_id


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _is_id(text: str) -> bool:
    return bool(text) and len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()


def _is_current(timestamp: str, now: dt.datetime) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP):
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE.total_seconds()


def _signatures(header: str) -> Iterable[bytes]:
    for token in header.split(" ")[:_MOST_SIGNATURES]:
        version, _, encoded = token.partition(",")
        if version == _VERSION:
            try:
                yield b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                continue

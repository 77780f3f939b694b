"""A request's id and W3C trace context: taken from the caller where they are well formed, made otherwise."""

import os
import re

__all__ = ["accept_request_id", "accept_traceparent"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
).fullmatch


def accept_request_id(sent: str | None) -> str:
    """The caller's id when it has 1 to 64 of `A-Z a-z 0-9 . _ -`, else a fresh one."""
    if sent is not None and _REQUEST_ID(sent):
        return sent
    return os.urandom(16).hex()


def accept_traceparent(sent: str | None) -> str:
    """A version 00 `traceparent` with a span of our own, in the caller's trace when its header is valid."""
    span = os.urandom(8).hex()
    match = _TRACEPARENT(sent) if sent is not None else None
    if match is None:
        return f"00-{os.urandom(16).hex()}-{span}-01"
    return f"00-{match[1]}-{span}-{match[2]}"

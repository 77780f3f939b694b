"""A request's id and W3C trace context: taken from the caller where they are well formed, made otherwise."""

import os
import re
from contextlib import AbstractContextManager

from bookwell.kit.request_context import in_trace

__all__ = [
    "TRACEPARENT_LENGTH",
    "TRACE_ID_LENGTH",
    "accept_request_id",
    "accept_traceparent",
    "continue_trace",
    "trace_id_of",
]

TRACEPARENT_LENGTH = 55
"""Of version 00, the only one that we make."""
TRACE_ID_LENGTH = 32

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


def trace_id_of(traceparent: str) -> str:
    """The 32 digits that all spans of a trace have in common; empty where there are none."""
    match = _TRACEPARENT(traceparent)
    return match[1] if match else ""


def continue_trace(sent: str = "") -> AbstractContextManager[None]:
    """Work in a span of our own, in the trace of what was sent, or in a new one where that names none."""
    return in_trace(accept_traceparent(sent))

"""The request that the running code serves, or whose message it handles.

A request's id goes into every log record, audit entry and problem, its trace into every log record, call and message.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["in_trace", "request_id", "set_request_id", "set_traceparent", "trace_headers", "traceparent"]

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_traceparent: ContextVar[str] = ContextVar("traceparent", default="")


def request_id() -> str:
    """The id of the current request, or an empty string outside of one."""
    return _request_id.get()


def set_request_id(value: str) -> None:
    """Remember the id of the request that begins."""
    _request_id.set(value)


def traceparent() -> str:
    """The W3C trace context of the current request, message or job, or an empty string."""
    return _traceparent.get()


def set_traceparent(value: str) -> None:
    """Remember the trace context of the request that begins."""
    _traceparent.set(value)


def trace_headers() -> dict[str, str]:
    """What carries the trace on in a call to somebody else; nothing outside of one."""
    context = _traceparent.get()
    return {"traceparent": context} if context else {}


@contextmanager
def in_trace(value: str) -> Iterator[None]:
    """Work in a trace context for a while; whatever becomes of the work, the one before holds again afterwards."""
    before = _traceparent.set(value)
    try:
        yield
    finally:
        _traceparent.reset(before)

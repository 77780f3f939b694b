"""Logs: one JSON object a line on standard output, from structlog and from the standard library alike.

An event has a name (`reservation.placed`) and fields; every record carries the id and trace of the request it was
written for. Personal data, tokens and bodies are never passed as fields.
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.request_context import request_id, traceparent

__all__ = ["JsonFormatter", "configure"]

_QUIET_BELOW = {
    "alembic": logging.WARNING,
    "django": logging.INFO,
    "django.request": logging.ERROR,  # refused requests are in the access log already
    "httpx2": logging.WARNING,
}


def configure(options: Mapping[str, Any]) -> None:
    """Route all logging of the process; `options` are `level` (a name) and `service`.

    Django calls it as its `LOGGING_CONFIG`, other services from their start.
    """
    level = logging.getLevelNamesMapping()[options["level"]]
    service = options["service"]
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, _Stamp(service), _format_exception, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))
    for name, quiet_below in _QUIET_BELOW.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(quiet_below)


class JsonFormatter(logging.Formatter):
    """Records of the standard library in the shape of ours."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._stamp = _Stamp(service)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        event: dict[str, Any] = {"level": record.levelname.lower(), "event": record.getMessage(), "logger": record.name}
        if record.exc_info:
            event["exc_info"] = record.exc_info
        stamped = _format_exception(None, "", self._stamp(None, "", event))
        return _render(None, "", stamped).decode()


class _Stamp:
    """Adds time, service, request id and trace."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = clock.now().isoformat()
        event["service"] = self._service
        if identifier := request_id():
            event["request_id"] = identifier
            event["traceparent"] = traceparent()
        return event


def _format_exception(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exception()
        event["exception"] = "".join(traceback.format_exception(error)) if error else None
    return event


def _render(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> bytes:
    return to_json(event, fallback=str)

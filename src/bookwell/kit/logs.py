"""Logs: one JSON object a line on standard output, from structlog and from the standard library alike.

An event has a name (`reservation.placed`) and fields; every record carries the id and trace of the request it was
written for, or the trace of the message or job. Personal data, tokens and bodies are never passed as fields. Where a
table is configured the same lines go there too, behind the back of whoever logs (`kit.log_sink`).
"""

import logging
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from pydantic_core import to_json
from structlog.typing import Processor

from bookwell.kit import clock
from bookwell.kit.log_output import LineHandler, LineLogger
from bookwell.kit.log_sink import LogSink, sink_of
from bookwell.kit.request_context import request_id, traceparent

__all__ = ["JsonFormatter", "configure"]

_QUIET_BELOW = {
    "alembic": logging.WARNING,
    "django": logging.INFO,
    "django.request": logging.ERROR,  # refused requests are in the access log already
    "httpx2": logging.WARNING,
}


_processors: list[Processor] = []
"""One list for the whole process: loggers that were used before it is configured again keep to it."""

_VALUES_IN_MESSAGES = frozenset({"DataError", "IntegrityError", "ValidationError"})
"""Errors, by their classes' names in any library, whose messages repeat what somebody sent."""


def configure(options: Mapping[str, Any]) -> None:
    """Route all logging of the process.

    `options` are `level` (a name), `service` and, where records are also kept in a table, `table` with its own
    `level` and what `kit.log_sink.sink_of` takes. Django calls it as its `LOGGING_CONFIG`, other services from their
    start.
    """
    level, service = _level_of(options["level"]), options["service"]
    table = options.get("table")
    sink, table_level = (sink_of(table), _level_of(table["level"])) if table else (None, level)
    lines = LineLogger(sys.stdout.buffer)
    _processors[:] = [
        structlog.stdlib.add_log_level,
        _Stamp(service),
        _format_exception,
        _render if sink is None else _Split(level, sink, table_level),
    ]
    structlog.configure(
        processors=_processors,
        wrapper_class=structlog.make_filtering_bound_logger(min(level, table_level)),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    formatter = JsonFormatter(service)
    output = LineHandler(lines)
    output.setFormatter(formatter)
    output.setLevel(level)
    handlers: list[logging.Handler] = [output]
    if sink is not None:
        handlers.append(_ToTable(sink, table_level, formatter))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(max(min(level, table_level), logging.INFO))
    for name, quiet_below in _QUIET_BELOW.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(quiet_below)


def _level_of(name: str) -> int:
    return logging.getLevelNamesMapping()[name]


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
        if context := traceparent():
            event["traceparent"] = context
        return event


class _Split:
    """The last processor where there is a table: the line for standard output, and for the sink, by their levels."""

    def __init__(self, level: int, sink: LogSink, table_level: int) -> None:
        names = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
        self._printed = frozenset(name for name, number in names.items() if number >= level)
        self._kept = frozenset(name for name, number in names.items() if number >= table_level)
        self._sink = sink

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> bytes:
        line = _render(logger, name, event)
        if event["level"] in self._kept:
            self._sink.put(line)
        if event["level"] not in self._printed:
            raise structlog.DropEvent
        return line


class _ToTable(logging.Handler):
    """Records of the standard library on their way to the sink."""

    def __init__(self, sink: LogSink, level: int, formatter: logging.Formatter) -> None:
        super().__init__(level)
        self.setFormatter(formatter)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """The standard library's hook; `handle` catches nothing, so this does."""
        try:
            self._sink.put(self.format(record).encode())
        except Exception:  # noqa: BLE001 -- as in the standard library's own handlers
            self.handleError(record)


def _format_exception(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else info[1] if isinstance(info, tuple) else sys.exception()
        event["exception"] = _describe(error) if error else None
    return event


def _describe(error: BaseException) -> str:
    """The traceback, without what people sent: databases and validators repeat it in their messages."""
    text = "".join(traceback.format_exception(error))
    seen: list[BaseException] = []
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or any(link is other for other in seen):
            continue
        seen.append(link)
        message = str(link)
        if message and any(kind.__name__ in _VALUES_IN_MESSAGES for kind in type(link).__mro__):
            text = text.replace(message, "(its message is hidden)")
        links += [link.__cause__, link.__context__, *(link.exceptions if isinstance(link, BaseExceptionGroup) else ())]
    return text


def _render(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> bytes:
    return to_json(event, fallback=str)

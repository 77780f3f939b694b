"""Log lines as rows: what is a column, what is a field, and what must not be kept.

Fields never hold personal data by the house's rules; texts that come from elsewhere (a driver's message inside an
exception, another library's sentence) are looked through once more before they are stored.
"""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

from bookwell.kit.tracing import trace_id_of

__all__ = ["LogRecord", "record_of"]

_EVENT, _REQUEST_ID, _LOGGER, _SERVICE, _LEVEL = 200, 64, 100, 32, 8
"""Lengths of the columns, in characters."""
_EXCEPTION_CHARACTERS = 10_000
_FIELDS_BYTES = 60_000  # MySQL's TEXT has room for 65 535
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HIDDEN = "[hidden]"
_SECRET_NAMES = frozenset(
    {"address", "authorization", "body", "cookie", "email", "password", "phone", "recipient", "secret", "token"}
)
_TOKEN = re.compile(r"eyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?")
_CREDENTIALS = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE)
_USER_IN_URL = re.compile(r"://[^/\s@]+@")
_ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A row of the log table. `at` is in milliseconds since 1970, `fields` a JSON object, `trace` the id of a trace."""

    at: int
    service: str
    level: str
    event: str
    request_id: str
    logger: str
    fields: str
    trace: str = ""


def record_of(line: bytes) -> LogRecord:
    """The row of a line that `kit.logs` wrote.

    Raises:
        ValueError, KeyError: if it is none of those.
    """
    content: dict[str, Any] = from_json(line)
    at = dt.datetime.fromisoformat(content.pop("time"))
    event = _clean(str(content.pop("event", "")))
    columns = {name: str(content.pop(name, "")) for name in ("service", "level", "request_id", "logger")}
    if len(event) > _EVENT:
        content["message"] = event
    return LogRecord(
        at=(at - _EPOCH) // dt.timedelta(milliseconds=1),
        service=columns["service"][:_SERVICE],
        level=columns["level"][:_LEVEL],
        event=event[:_EVENT],
        request_id=_clean(columns["request_id"])[:_REQUEST_ID],
        logger=columns["logger"][:_LOGGER],
        fields=_fields_of(content),
        trace=trace_id_of(str(content.get("traceparent", ""))),
    )


def _fields_of(content: dict[str, Any]) -> str:
    if "exception" in content:
        content["exception"] = str(content["exception"])[-_EXCEPTION_CHARACTERS:]  # what failed stands at its end
    text = to_json(_without_secrets(content))
    if len(text) > _FIELDS_BYTES:
        text = to_json({"truncated": text[: _FIELDS_BYTES // 10].decode(errors="ignore")})
    return text.decode()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {
            name: _HIDDEN if name.lower() in _SECRET_NAMES else _without_secrets(content)
            for name, content in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value


def _clean(text: str) -> str:
    """The text without tokens, credentials, addresses, and without the one character that PostgreSQL refuses."""
    if "\0" in text:
        text = text.replace("\0", "")
    if "@" in text:
        text = _ADDRESS.sub(_HIDDEN, _USER_IN_URL.sub(f"://{_HIDDEN}@", text))
    if "eyJ" in text:
        text = _TOKEN.sub(_HIDDEN, text)
    return _CREDENTIALS.sub(rf"\1 {_HIDDEN}", text) if " " in text else text

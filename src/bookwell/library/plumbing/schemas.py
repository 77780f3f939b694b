"""Shapes of what operators look at."""

import datetime as dt
from typing import Any

from pydantic import BaseModel

__all__ = ["LogRecordOut"]


class LogRecordOut(BaseModel):
    """One log record. `request_id` is empty for what belongs to no request, `logger` for the services' own events."""

    id: int
    at: dt.datetime
    service: str
    level: str
    event: str
    request_id: str
    logger: str
    fields: dict[str, Any]

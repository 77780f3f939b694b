"""Shapes of what operators look at."""

import datetime as dt
from typing import Any

from pydantic import BaseModel

__all__ = ["LogRecordOut"]


class LogRecordOut(BaseModel):
    """One log record. `request_id` is empty for what belongs to no request, `logger` for the services' own events.

    `trace` is what a request, its messages and the calls for them have in common; empty outside of any trace.
    """

    id: int
    at: dt.datetime
    service: str
    level: str
    event: str
    request_id: str
    logger: str
    trace: str
    fields: dict[str, Any]

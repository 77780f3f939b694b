"""Shapes of the audit trail."""

import datetime as dt
from typing import Any

from pydantic import BaseModel

__all__ = ["AuditEntryOut"]


class AuditEntryOut(BaseModel):
    """One recorded change. `actor_id` 0 is the system itself."""

    id: int
    at: dt.datetime
    actor_id: int
    action: str
    object_type: str
    object_id: int
    data: dict[str, Any]
    request_id: str

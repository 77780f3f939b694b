"""Writing the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.adapters.django.instants import to_database
from bookwell.kit.request_context import request_id

__all__ = ["SYSTEM", "Change", "record_in_tx"]

SYSTEM = 0
"""The actor of what nobody asked for: deadlines and promotions."""

_INSERT = "INSERT INTO audit_entry (at, actor_id, action, object_type, object_id, data, request_id) VALUES "


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done to one object; `data` holds what changed, never personal data.

    `actor_id` is whose doing it was where that is not the one whose request it came of: a promotion is the system's.
    """

    action: str
    object_type: str
    object_id: int
    data: dict[str, Any] = field(default_factory=dict)
    actor_id: int | None = None


def record_in_tx(changes: Sequence[Change], *, actor_id: int) -> None:
    """Add one entry per change, in one statement of the caller's transaction."""
    if not changes:
        return
    at, request = to_database(clock.now()), request_id()
    values: list[Any] = []
    for change in changes:
        data = to_json(change.data).decode()
        by = actor_id if change.actor_id is None else change.actor_id
        values += [at, by, change.action, change.object_type, change.object_id, data, request]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT + ", ".join(["(%s, %s, %s, %s, %s, %s, %s)"] * len(changes)), values)

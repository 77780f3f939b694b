"""Writing the audit trail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from bookwell.kit import clock
from bookwell.kit.adapters.django.instants import to_database
from bookwell.kit.adapters.django.statements import Statement, execute_together
from bookwell.kit.request_context import request_id

__all__ = ["SYSTEM", "Change", "record_in_tx", "recording"]

SYSTEM = 0
"""The actor of what nobody asked for: deadlines and promotions."""

_INSERT = "INSERT INTO audit_entry (at, actor_id, action, object_type, object_id, data, request_id) VALUES "
_ROW = "(%s, %s, %s, %s, %s, %s, %s)"


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
    if changes:
        execute_together(recording(changes, actor_id=actor_id))


def recording(changes: Sequence[Change], *, actor_id: int) -> Statement:
    """What `record_in_tx` runs, to be sent with others."""
    at, request = to_database(clock.now()), request_id()
    values: list[Any] = []
    for change in changes:
        data = to_json(change.data).decode()
        by = actor_id if change.actor_id is None else change.actor_id
        values += [at, by, change.action, change.object_type, change.object_id, data, request]
    return Statement(_INSERT + ", ".join([_ROW] * len(changes)), values)

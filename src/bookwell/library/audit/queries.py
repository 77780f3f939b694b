"""Reads of the audit trail."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.pages import Position
from bookwell.library.audit.models import AuditEntry

__all__ = ["AuditRecord", "list_entries", "list_entries_of"]


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One entry, its data parsed."""

    id: int
    at: dt.datetime
    actor_id: int
    action: str
    object_type: str
    object_id: int
    data: dict[str, Any]
    request_id: str


def list_entries(
    *, position: Position, limit: int, object_type: str | None = None, object_id: int | None = None, action: str = ""
) -> list[AuditRecord]:
    """Up to `limit + 1` entries behind `position`, an (id,), newest first."""
    rows = AuditEntry.objects.all()
    if object_type is not None:
        rows = rows.filter(object_type=object_type)
    if object_id is not None:
        rows = rows.filter(object_id=object_id)
    if action:
        rows = rows.filter(action=action)
    return [_record(row) for row in keyset_page(rows, ["id"], position, limit=limit, is_descending=True)]


def list_entries_of(*, object_type: str, object_id: int) -> list[AuditRecord]:
    """What happened to one object, oldest first, at most the last 200 entries."""
    rows = AuditEntry.objects.filter(object_type=object_type, object_id=object_id).order_by("-id")[:200]
    return [_record(row) for row in reversed(rows)]


def _record(row: AuditEntry) -> AuditRecord:
    data = json.loads(row.data)
    return AuditRecord(row.pk, row.at, row.actor_id, row.action, row.object_type, row.object_id, data, row.request_id)

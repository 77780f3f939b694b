"""Reads of the plumbing's tables."""

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from bookwell.kit.adapters.django.keyset import keyset_page
from bookwell.kit.outbox.gauges import Backlog
from bookwell.kit.pages import Position
from bookwell.library.plumbing.models import LogRecord

__all__ = ["LogEntry", "list_backlogs", "list_log_entries", "log_records"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_BACKLOGS = "SELECT queue, COUNT(*), MIN(created_at) FROM outbox WHERE done_at IS NULL GROUP BY queue"


def list_backlogs() -> list[Backlog]:
    """One for each queue that has any; one statement, which reads the open rows of an index."""
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOGS)
        return [Backlog(*row) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A log record, its fields parsed."""

    id: int
    at: dt.datetime
    service: str
    level: str
    event: str
    request_id: str
    logger: str
    trace: str
    fields: dict[str, Any]

    @property
    def key(self) -> tuple[int, int]:
        """Its place in the list: milliseconds since 1970, and the id."""
        return _milliseconds(self.at), self.id


def log_records() -> QuerySet[LogRecord]:
    """All log records, in the database where they are kept."""
    return LogRecord.objects.using(settings.LOG_DATABASE)


def list_log_entries(
    *,
    position: Position,
    limit: int,
    starts_at: dt.datetime | None = None,
    ends_at: dt.datetime | None = None,
    equal: dict[str, str],
) -> list[LogEntry]:
    """Up to `limit + 1` records of [starts_at, ends_at) behind `position`, an (at, id), newest first.

    `equal` names columns and what must stand in them.
    """
    rows = log_records().filter(**equal)
    if starts_at is not None:
        rows = rows.filter(at__gte=_milliseconds(starts_at))
    if ends_at is not None:
        rows = rows.filter(at__lt=_milliseconds(ends_at))
    return [_entry_of(row) for row in keyset_page(rows, ["at", "id"], position, limit=limit, is_descending=True)]


def _milliseconds(instant: dt.datetime) -> int:
    return (instant - _EPOCH) // dt.timedelta(milliseconds=1)


def _entry_of(row: LogRecord) -> LogEntry:
    at = _EPOCH + dt.timedelta(milliseconds=row.at)
    return LogEntry(
        row.pk, at, row.service, row.level, row.event, row.request_id, row.logger, row.trace, json.loads(row.fields)
    )

"""Keeping the plumbing's tables small."""

import datetime as dt

from django.db import connection

from bookwell.kit.outbox.rules import KEEP_DEAD
from bookwell.library.plumbing.models import CacheEntry
from bookwell.library.plumbing.queries import log_records

__all__ = ["forget_expired_cache_entries", "forget_log_records", "forget_told_messages"]

_FORGET_AT_ONCE = 1000
_TOLD_LONG_AGO = "SELECT id FROM outbox WHERE done_at < %s AND (error = '' OR done_at < %s) ORDER BY done_at LIMIT %s"


def forget_expired_cache_entries(*, now: dt.datetime) -> int:
    """Delete entries that have expired, a bounded number at a time: how many. Django counts all rows at each write."""
    keys = list(CacheEntry.objects.filter(expires__lt=now).values_list("pk", flat=True)[:_FORGET_AT_ONCE])
    return CacheEntry.objects.filter(pk__in=keys, expires__lt=now).delete()[0] if keys else 0


def forget_told_messages(*, now: dt.datetime, keep: dt.timedelta) -> int:
    """Delete messages that were told longer than `keep` ago, a bounded number at a time: how many.

    Dead ones, which nobody was told, are kept `KEEP_DEAD` at least.
    """
    told, dead = _milliseconds(now - keep), _milliseconds(now - max(keep, KEEP_DEAD))
    with connection.cursor() as cursor:
        cursor.execute(_TOLD_LONG_AGO, [told, dead, _FORGET_AT_ONCE])
        ids = [row[0] for row in cursor.fetchall()]
        if ids:
            cursor.execute(f"DELETE FROM outbox WHERE id IN ({', '.join(['%s'] * len(ids))})", ids)
    return len(ids)


def forget_log_records(*, now: dt.datetime, keep: dt.timedelta) -> int:
    """Delete log records older than `keep`, a bounded number at a time: how many.

    They may be in another database than everything else; the step is one statement, which needs no transaction.
    """
    old = log_records().filter(at__lt=_milliseconds(now - keep)).order_by("at", "id")
    ids = list(old.values_list("pk", flat=True)[:_FORGET_AT_ONCE])
    return log_records().filter(pk__in=ids).delete()[0] if ids else 0


def _milliseconds(instant: dt.datetime) -> int:
    return int(instant.timestamp() * 1000)

"""Keeping the plumbing's tables small."""

import datetime as dt

from bookwell.library.plumbing.models import CacheEntry

__all__ = ["forget_expired_cache_entries"]

_FORGET_AT_ONCE = 1000


def forget_expired_cache_entries(*, now: dt.datetime) -> int:
    """Delete entries that have expired, a bounded number at a time: how many. Django counts all rows at each write."""
    keys = list(CacheEntry.objects.filter(expires__lt=now).values_list("pk", flat=True)[:_FORGET_AT_ONCE])
    return CacheEntry.objects.filter(pk__in=keys, expires__lt=now).delete()[0] if keys else 0

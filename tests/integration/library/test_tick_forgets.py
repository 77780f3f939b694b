"""What time does to the plumbing's tables."""

import datetime as dt

import pytest

from bookwell.library.circulation.tasks import tick
from bookwell.library.plumbing.models import CacheEntry

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def test_tick__expired_cache_entries__are_forgotten() -> None:
    for name, seconds in (("old", -1), ("fresh", 60)):
        CacheEntry.objects.create(cache_key=name, value="", expires=NOW + dt.timedelta(seconds=seconds))

    tick(now=NOW)

    assert [entry.cache_key for entry in CacheEntry.objects.all()] == ["fresh"]

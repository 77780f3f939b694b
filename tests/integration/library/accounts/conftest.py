"""What every test of accounts needs: empty counters of failed log-ins."""

import pytest


@pytest.fixture(autouse=True)
def _empty_counters() -> None:
    from django.core.cache import cache  # noqa: PLC0415 -- pytest loads this file before Django is set up

    cache.clear()

"""The one clock. Instants are aware and in UTC; `BOOKWELL_CLOCK_OFFSET` (seconds) moves it, in the demo only."""

import datetime as dt
import os
from functools import cache

__all__ = ["now"]


@cache
def _offset() -> dt.timedelta:
    return dt.timedelta(seconds=float(os.environ.get("BOOKWELL_CLOCK_OFFSET") or 0))


def now() -> dt.datetime:
    """The current instant, in UTC."""
    return dt.datetime.now(dt.UTC) + _offset()  # noqa: TID251 -- the one place that may ask

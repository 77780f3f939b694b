"""Instants in hand-written SQL: what the three databases' drivers want and what they give."""

import datetime as dt
from functools import cache
from typing import Any

from django.db import connection

__all__ = ["from_database", "to_database"]

_UTC = "+00:00"
"""How an instant in UTC ends."""


def to_database(instant: dt.datetime | None) -> Any:
    """A parameter for an aware instant: text without a zone, which is UTC, but for PostgreSQL the instant itself.

    The same as `connection.ops.adapt_datetimefield_value` gives, at a fraction of its time.
    """
    if instant is None or _takes_instants():
        return instant
    utc = instant if instant.tzinfo is dt.UTC else instant.astimezone(dt.UTC)
    return utc.isoformat(" ")[: -len(_UTC)]


def from_database(value: dt.datetime | str | None) -> dt.datetime | None:
    """The aware UTC instant of a raw column: text on SQLite, naive on MySQL, aware on PostgreSQL."""
    if value is None:
        return None
    instant = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.astimezone(dt.UTC) if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


@cache
def _takes_instants() -> bool:
    return connection.vendor == "postgresql"

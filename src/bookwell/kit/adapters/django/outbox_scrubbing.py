"""Forgets a person in messages that were written down, delivered or not."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from pydantic_core import to_json

from bookwell.kit import clock

__all__ = ["empty_in_tx", "rewrite_in_tx"]

_AT_ONCE = 500


def empty_in_tx(aggregate: str) -> None:
    """Empty every message about one thing; those that were not delivered never will be."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE outbox SET payload = '{}', done_at = COALESCE(done_at, %s) WHERE aggregate = %s",
            [int(clock.now().timestamp() * 1000), aggregate],
        )


def rewrite_in_tx(aggregates: Sequence[str], rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the payload of every message about some things by what `rewrite` makes of it."""
    for start in range(0, len(aggregates), _AT_ONCE):
        chosen = aggregates[start : start + _AT_ONCE]
        marks = ", ".join(["%s"] * len(chosen))
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id, payload FROM outbox WHERE aggregate IN ({marks})", list(chosen))
            changes = [(to_json(rewrite(json.loads(payload))).decode(), row) for row, payload in cursor.fetchall()]
            if changes:
                cursor.executemany("UPDATE outbox SET payload = %s WHERE id = %s", changes)

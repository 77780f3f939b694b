"""Reads of the plumbing's tables."""

from dataclasses import dataclass

from django.db import connection

__all__ = ["Backlog", "list_backlogs"]

_BACKLOGS = "SELECT queue, COUNT(*), MIN(created_at) FROM outbox WHERE done_at IS NULL GROUP BY queue"


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages of one queue that no consumer has receipted; `oldest_at` is in milliseconds since 1970."""

    queue: str
    messages: int
    oldest_at: int


def list_backlogs() -> list[Backlog]:
    """One for each queue that has any; one statement, which reads the open rows of an index."""
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOGS)
        return [Backlog(*row) for row in cursor.fetchall()]

"""Cursor pages of a queryset."""

from collections.abc import Sequence
from typing import TypeVar

from django.db.models import Model, Q, QuerySet

from bookwell.kit.pages import Position

__all__ = ["keyset_page"]

M = TypeVar("M", bound=Model)


def keyset_page(
    queryset: QuerySet[M], fields: Sequence[str], position: Position, *, limit: int, is_descending: bool = False
) -> list[M]:
    """Up to `limit + 1` rows behind `position`, ordered by `fields` (NOT NULL, the last one unique)."""
    is_descending ^= position.is_backward
    ordered = queryset.order_by(*(f"-{field}" if is_descending else field for field in fields))
    if position.key is None:
        return list(ordered[: limit + 1])
    operator = "lt" if is_descending else "gt"
    # Implied by the rest, but what lets PostgreSQL enter the index instead of reading from its beginning.
    behind = Q(**{f"{fields[0]}__{operator}e": position.key[0]})
    alternatives = Q()
    for index, field in enumerate(fields):
        equal = dict(zip(fields[:index], position.key, strict=False))
        alternatives |= Q(**equal) & Q(**{f"{field}__{operator}": position.key[index]})
    return list(ordered.filter(behind & alternatives)[: limit + 1])

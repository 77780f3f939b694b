"""From a file to the catalogue: batch by batch, each stored whole or not at all."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from bookwell.library.catalog.importing.records import Record, Rejection
from bookwell.library.catalog.importing.seen import SeenIdentifiers
from bookwell.library.catalog.importing.store import Plan

__all__ = ["BATCH_SIZE", "Summary", "import_records"]

T = TypeVar("T")

BATCH_SIZE = 500


@dataclass(slots=True)
class Summary:
    """How the rows of a file ended: every one is exactly one of these."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.created + self.changed + self.unchanged + self.rejected


def import_records(
    source: Iterable[Record | Rejection],
    *,
    store: Callable[[list[Record]], Plan],
    reject: Callable[[Rejection], None],
    progress: Callable[[Summary], None] = lambda _summary: None,
) -> Summary:
    """Hand records to `store` in batches, which answers what became of them, and everything else to `reject`.

    Of two rows with the same control number or ISBN the first counts and the second is rejected: it cannot be told
    which one is right, and taking the last would change the book at every import.
    """
    summary = Summary()
    with SeenIdentifiers() as seen:
        for batch in _batches(source):
            records, rejections = _sort_out(batch, seen)
            plan = store(records)
            rejections += plan.rejected
            for rejection in sorted(rejections, key=lambda rejection: rejection.line):
                reject(rejection)
            summary.created += len(plan.new)
            summary.changed += len(plan.changed)
            summary.unchanged += plan.unchanged
            summary.rejected += len(rejections)
            progress(summary)
    return summary


def _sort_out(batch: Iterable[Record | Rejection], seen: SeenIdentifiers) -> tuple[list[Record], list[Rejection]]:
    records, rejections = [], []
    for row in batch:
        outcome = seen.repeated(row) or row if isinstance(row, Record) else row
        if isinstance(outcome, Record):
            records.append(outcome)
        else:
            rejections.append(outcome)
    return records, rejections


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH_SIZE)):
        yield batch

"""From a file to the catalogue: batch by batch, each stored whole or not at all."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bookwell.library.catalog.importing.records import Record, Rejection
from bookwell.library.catalog.importing.seen import SeenIdentifiers
from bookwell.library.catalog.importing.store import Plan

__all__ = ["BATCH_SIZE", "Summary", "import_records"]

BATCH_SIZE = 500
_BATCH_LETTERS = 1_000_000
"""In any alphabet less than a quarter of the 16 MB that MariaDB takes as one statement, which the words of names and
escapes make longer."""


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


def _sort_out(batch: list[Record | Rejection], seen: SeenIdentifiers) -> tuple[list[Record], list[Rejection]]:
    records, rejections = [], []
    for row in batch:
        outcome = seen.repeated(row) or row if isinstance(row, Record) else row
        if isinstance(outcome, Record):
            records.append(outcome)
        else:
            rejections.append(outcome)
    return records, rejections


def _batches(rows: Iterable[Record | Rejection]) -> Iterator[list[Record | Rejection]]:
    batch: list[Record | Rejection] = []
    letters = 0
    for row in rows:
        batch.append(row)
        letters += _letters(row)
        if len(batch) == BATCH_SIZE or letters >= _BATCH_LETTERS:
            yield batch
            batch, letters = [], 0
    if batch:
        yield batch


def _letters(row: Record | Rejection) -> int:
    if isinstance(row, Rejection):
        return 0
    return len(row.data.description) + sum(map(len, row.data.authors)) + sum(map(len, row.data.subjects))

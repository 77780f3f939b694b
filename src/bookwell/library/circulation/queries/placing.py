"""The hand-written reads of placing a reservation, the hot path: every statement counts."""

import datetime as dt
from dataclasses import dataclass

from django.db import connection

from bookwell.kit.adapters.django.instants import from_database, to_database
from bookwell.library.circulation.errors import BookWithdrawn
from bookwell.library.circulation.queries.policies import TERMS
from bookwell.library.circulation.rules import PolicyTerms, ReaderFacts

__all__ = ["FreeCopy", "PlacingFacts", "find_free_copy_row", "get_placing_facts", "list_due_dates"]

_FACTS = f"""
SELECT b.title, r.claims, r.loans, r.overdue, r.same,
       (SELECT COUNT(*) FROM reader_block k WHERE k.reader_id = %s),
       p.id, p.branch_id, {", ".join(f"p.{name}" for name in TERMS)}
FROM book b
CROSS JOIN (
    SELECT COALESCE(SUM(CASE WHEN v.state <> 'borrowed' THEN 1 ELSE 0 END), 0) AS claims,
           COALESCE(SUM(CASE WHEN v.state = 'borrowed' THEN 1 ELSE 0 END), 0) AS loans,
           COALESCE(SUM(CASE WHEN v.state = 'borrowed' AND v.due_at < %s THEN 1 ELSE 0 END), 0) AS overdue,
           COALESCE(SUM(CASE WHEN v.book_id = %s THEN 1 ELSE 0 END), 0) AS same
    FROM reservation v WHERE v.reader_id = %s AND v.open_marker = 1
) r
LEFT JOIN policy p ON p.category_id = %s
WHERE b.id = %s AND b.withdrawn_at IS NULL
"""

_FREE_COPY = """
SELECT c.id, c.barcode, c.location_id, n.name, c.is_travelling
FROM copy c JOIN branch n ON n.id = c.location_id
WHERE c.book_id = %s AND c.status = 'in_service'
  AND NOT EXISTS (SELECT 1 FROM reservation v WHERE v.held_copy_id = c.id)
ORDER BY CASE WHEN c.is_travelling THEN 2 WHEN c.location_id = %s THEN 0 ELSE 1 END, c.id
LIMIT 1
"""

_DUE_DATES = "SELECT due_at FROM reservation WHERE book_id = %s AND state = 'borrowed' ORDER BY due_at LIMIT 1000"


@dataclass(frozen=True, slots=True)
class PlacingFacts:
    """All that decides on a new reservation, besides the book's counters."""

    title: str
    reader: ReaderFacts
    policies: list[tuple[int | None, PolicyTerms]]


@dataclass(frozen=True, slots=True)
class FreeCopy:
    """A copy that nobody holds, with the branch where it stands or, while it travels, where it goes."""

    copy_id: int
    barcode: str
    branch_id: int
    branch: str
    is_travelling: bool


def get_placing_facts(*, reader_id: int, category: str, book_id: int, now: dt.datetime) -> PlacingFacts:
    """The book's title, the reader's counts and the category's policies; one statement, after both locks.

    Raises:
        BookWithdrawn: if the book is not in the catalogue.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, (reader_id, to_database(now), book_id, reader_id, category, book_id))
        rows = cursor.fetchall()
    if not rows:
        raise BookWithdrawn
    title, claims, loans, overdue, same, blocks = rows[0][:6]
    facts = ReaderFacts(int(claims), int(loans), int(overdue), blocks, has_this_book=bool(same))
    policies = [(row[7], PolicyTerms(*row[8:14], *(bool(flag) for flag in row[14:]))) for row in rows if row[6]]
    return PlacingFacts(title, facts, policies)


def find_free_copy_row(*, book_id: int, preferred_branch_id: int | None) -> FreeCopy | None:
    """A free copy, at the preferred branch if one stands there."""
    with connection.cursor() as cursor:
        cursor.execute(_FREE_COPY, (book_id, preferred_branch_id or 0))
        row = cursor.fetchone()
    return FreeCopy(*row) if row else None


def list_due_dates(book_id: int) -> list[dt.datetime]:
    """When the book's loans are due, earliest first."""
    with connection.cursor() as cursor:
        cursor.execute(_DUE_DATES, (book_id,))
        return [due for (value,) in cursor.fetchall() if (due := from_database(value))]

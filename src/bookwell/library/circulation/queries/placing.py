"""The hand-written reads of placing a reservation, the hot path: every statement counts."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from bookwell.kit.adapters.django.instants import from_database
from bookwell.kit.adapters.django.statements import Rows, Statement, fetch_all
from bookwell.library.circulation.errors import BookWithdrawn
from bookwell.library.circulation.queries.deadlines import count_overdue
from bookwell.library.circulation.queries.policies import TERMS
from bookwell.library.circulation.rules import PolicyTerms, ReaderFacts, State

__all__ = [
    "FreeCopy",
    "PlacingFacts",
    "choose_free_copy",
    "due_dates_of",
    "facts_of",
    "find_free_copy_row",
    "get_placing_facts",
    "placing_reads",
]

# Plain rows, counted in Python: on MariaDB a derived table with aggregates costs twice as much as the rows, and a
# subquery a tenth more than a join.
_FACTS = f"""
SELECT b.title, k.id, v.book_id, v.state, v.due_at, p.branch_id, {", ".join(f"p.{name}" for name in TERMS)}
FROM book b
JOIN account a ON a.id = %s
LEFT JOIN policy p ON p.category_id = a.category_id
LEFT JOIN reservation v ON v.reader_id = a.id AND v.open_marker = 1
LEFT JOIN reader_block k ON k.reader_id = a.id
WHERE b.id = %s AND b.withdrawn_at IS NULL
"""

# All that can serve, with the due dates that the estimate needs; nobody holds a copy where `v.id` is null.
_COPIES = """
SELECT c.id, c.barcode, c.location_id, n.name, n.time_zone, c.is_travelling, v.id, v.due_at
FROM copy c
JOIN branch n ON n.id = c.location_id
LEFT JOIN reservation v ON v.held_copy_id = c.id
WHERE c.book_id = %s AND c.status = 'in_service'
"""


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
    time_zone: str
    is_travelling: bool


def placing_reads(*, reader_id: int, book_id: int) -> tuple[Statement, Statement]:
    """What to read behind both locks: the rows for `facts_of`, and those for `choose_free_copy` and `due_dates_of`."""
    return Statement(_FACTS, (reader_id, book_id)), Statement(_COPIES, (book_id,))


def get_placing_facts(*, reader_id: int, book_id: int, now: dt.datetime) -> PlacingFacts:
    """The facts as they are at the moment, without any lock.

    Raises:
        BookWithdrawn: if the book is not in the catalogue, or there is no such reader.
    """
    facts, _ = placing_reads(reader_id=reader_id, book_id=book_id)
    return facts_of(fetch_all(facts.text, facts.parameters), reader_id=reader_id, book_id=book_id, now=now)


def facts_of(rows: Rows, *, reader_id: int, book_id: int, now: dt.datetime) -> PlacingFacts:
    """The book's title, the reader's counts and the policies of the reader's category.

    `blocks` is 1 for any number of them. Statements are run only for a reader with loans that look overdue.

    Raises:
        BookWithdrawn: if the book is not in the catalogue.
    """
    if not rows:
        raise BookWithdrawn
    title, block_id = rows[0][:2]
    # Every policy stands beside every open reservation and every block. A reader has one reservation of each book, a
    # category one policy of each branch.
    mine = {row[2]: row for row in rows if row[2]}.values()
    policies = {row[5]: row for row in rows if row[6] is not None}.values()
    loans = [row for row in mine if row[3] == State.BORROWED]
    is_late = any(_is_past(row[4], now) for row in loans)
    facts = ReaderFacts(
        open_reservations=len(mine) - len(loans),
        open_loans=len(loans),
        overdue_loans=count_overdue(reader_id=reader_id, now=now) if is_late else 0,
        blocks=int(block_id is not None),
        has_this_book=any(row[2] == book_id for row in mine),
    )
    return PlacingFacts(title, facts, [(row[5], _terms(row[6:])) for row in policies])


def _is_past(value: Any, now: dt.datetime) -> bool:
    due = from_database(value)
    return due is not None and due < now


def _terms(columns: tuple[Any, ...]) -> PolicyTerms:
    return PolicyTerms(*columns[:7], *(bool(flag) for flag in columns[7:]))


def find_free_copy_row(*, book_id: int, preferred_branch_id: int | None) -> FreeCopy | None:
    """The free copy of the book that `choose_free_copy` would choose."""
    return choose_free_copy(fetch_all(_COPIES, (book_id,)), preferred_branch_id=preferred_branch_id)


def choose_free_copy(rows: Rows, *, preferred_branch_id: int | None) -> FreeCopy | None:
    """A free copy: one that stands at the preferred branch, else one that stands elsewhere, else one that travels."""

    def rank(row: tuple[Any, ...]) -> tuple[bool, bool, int]:
        return bool(row[5]), not row[5] and row[2] != preferred_branch_id, row[0]

    free = [row for row in rows if row[6] is None]
    return FreeCopy(*min(free, key=rank)[:6]) if free else None


def due_dates_of(rows: Rows) -> list[dt.datetime]:
    """When the book's loans are due, earliest first."""
    return sorted(due for row in rows if (due := from_database(row[7])))

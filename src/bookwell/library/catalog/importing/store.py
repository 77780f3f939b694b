"""A batch of records against the catalogue: what each one means, and the few statements that write them."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from bookwell.library.catalog.errors import BookNotFound
from bookwell.library.catalog.importing.records import Record, Rejection
from bookwell.library.catalog.models import YEAR_UNKNOWN
from bookwell.library.catalog.search_index import write_terms_in_tx
from bookwell.library.catalog.search_terms import index_terms, title_key

__all__ = ["Plan", "plan_records", "write_plan_in_tx"]

_COLUMNS = (
    "isbn", "control_number", "title", "title_key", "authors", "publisher", "year", "year_key", "language", "subjects",
    "description", "popularity", "source_digest",
)  # fmt: skip
_INSERT = f"INSERT INTO book ({', '.join(_COLUMNS)}, created_at, updated_at, version) VALUES "
_ROW = f"({', '.join(['%s'] * (len(_COLUMNS) + 2))}, 1)"
_UPDATE = (
    f"UPDATE book SET {', '.join(f'{column} = %s' for column in _COLUMNS)}, updated_at = %s, version = version + 1"
)


@dataclass(slots=True)
class Plan:
    """What a batch will do: new books, changed ones by id, and how many are there as they should be.

    `freed` are the changed books whose present ISBN is free for others of the batch.
    """

    new: list[Record] = field(default_factory=list)
    changed: list[tuple[int, Record]] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    isbn: str | None
    control_number: str | None
    digest: str


def plan_records(records: Sequence[Record]) -> Plan:
    """Compare a batch with the catalogue, in two statements.

    A record is known by its control number, and changes its book only when it has changed itself since it was
    imported. One that is known by its ISBN alone came from elsewhere, or was catalogued by hand: that book stays. An
    ISBN that a changed record gives up is free for another one of the batch.
    """
    by_number = {book.control_number: book for book in _find("control_number", [r.control_number for r in records])}
    by_isbn = {book.isbn: book for book in _find("isbn", [r.data.isbn for r in records if r.data.isbn])}
    changes = {
        known.id: record
        for record in records
        if (known := by_number.get(record.control_number)) is not None and known.digest != record.digest
    }
    blocked = _find_blocked(changes, by_isbn)
    changes = {book_id: record for book_id, record in changes.items() if book_id not in blocked}
    plan = Plan(freed=[book.id for book in by_isbn.values() if _gives_up(book, changes)])
    for record in records:
        known, holder = by_number.get(record.control_number), by_isbn.get(record.data.isbn)
        if known is None and (holder is None or _gives_up(holder, changes)):
            plan.new.append(record)
        elif known is not None and known.id in changes:
            plan.changed.append((known.id, record))
        elif known is not None and known.id in blocked:
            reason = f"another book has the ISBN {record.data.isbn}"
            plan.rejected.append(Rejection(record.line, "isbn_taken", reason, record.data.title))
        else:
            plan.unchanged += 1
    return plan


def _find_blocked(changes: Mapping[int, Record], by_isbn: Mapping[str | None, _Known]) -> set[int]:
    """The changed books whose new ISBN another one keeps; who must keep the old one may in turn block others."""
    left = dict(changes)
    while True:
        blocked = {
            book_id
            for book_id, record in left.items()
            if (holder := by_isbn.get(record.data.isbn)) and holder.id != book_id and not _gives_up(holder, left)
        }
        if not blocked:
            return set(changes) - set(left)
        left = {book_id: record for book_id, record in left.items() if book_id not in blocked}


def _gives_up(holder: _Known, changes: Mapping[int, Record]) -> bool:
    return holder.id in changes and changes[holder.id].data.isbn != holder.isbn


def write_plan_in_tx(plan: Plan, *, now: dt.datetime) -> list[int]:
    """Write a plan and the search terms of its books; the ids of the new ones, whose holdings are the caller's.

    Raises:
        BookNotFound: if one of the changed books has been withdrawn since it was planned.
    """
    at = connection.ops.adapt_datetimefield_value(now)
    terms: list[tuple[int, str]] = [(book_id, _terms(record)) for book_id, record in plan.changed]
    new_ids: dict[str | None, int] = {}
    with connection.cursor() as cursor:
        if plan.freed:
            marks = ", ".join(["%s"] * len(plan.freed))
            cursor.execute(f"UPDATE book SET isbn = NULL WHERE id IN ({marks})", plan.freed)
        if plan.new:
            values = [value for record in plan.new for value in (*_values(record), at, at)]
            cursor.execute(_INSERT + ", ".join([_ROW] * len(plan.new)), values)
            numbers = [record.control_number for record in plan.new]
            new_ids = {book.control_number: book.id for book in _find("control_number", numbers)}
            terms += [(new_ids[record.control_number], _terms(record)) for record in plan.new]
        for book_id, record in plan.changed:
            cursor.execute(f"{_UPDATE} WHERE id = %s AND withdrawn_at IS NULL", (*_values(record), at, book_id))
            if not cursor.rowcount:
                raise BookNotFound
    write_terms_in_tx(terms)
    return sorted(new_ids.values())


def _find(column: str, values: Sequence[str | None]) -> list[_Known]:
    if not values:
        return []
    marks = ", ".join(["%s"] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, isbn, control_number, source_digest FROM book WHERE {column} IN ({marks})", list(values)
        )
        return [_Known(*row) for row in cursor.fetchall()]


def _values(record: Record) -> tuple[Any, ...]:
    data = record.data
    return (
        data.isbn,
        record.control_number,
        data.title,
        title_key(data.title),
        json.dumps(data.authors, ensure_ascii=False),
        data.publisher,
        data.year,
        YEAR_UNKNOWN if data.year is None else data.year,
        data.language,
        json.dumps(data.subjects, ensure_ascii=False),
        data.description,
        record.popularity,
        record.digest,
    )


def _terms(record: Record) -> str:
    data = record.data
    return index_terms(title=data.title, authors=data.authors, subjects=data.subjects, isbn=data.isbn)

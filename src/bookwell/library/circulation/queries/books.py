"""Books with their counters: listed, searched, and one by one. One hand-written statement each.

Rows stay the database's own tuples, and `book_json` writes them as JSON without a model in between: a page of 50
costs a fraction of a millisecond of Python.
"""

from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from django.db import connection

from bookwell.kit.pages import Key, Position, keyset_sql
from bookwell.library.catalog.errors import BookNotFound
from bookwell.library.catalog.search_index import match_sql
from bookwell.library.catalog.search_terms import SearchTerms, parse_search
from bookwell.library.circulation.models import Holding

__all__ = [
    "BookFilter",
    "BookOrdering",
    "book_json",
    "get_book_row",
    "get_queue_length",
    "list_book_rows",
    "ordering_of",
]

MAX_CANDIDATES = 1000
"""A search looks at this many matches, and at the books with exactly that title, whatever they are."""

_EXACT, _BEGINS = 1 << 40, 1 << 36
_COLUMNS = (
    "b.id, b.isbn, b.title, b.authors, b.publisher, b.year, b.language, b.subjects, b.description, "
    "h.copies_total, h.copies_available, h.queue_length"
)
_ONE = f"SELECT {_COLUMNS} FROM book b JOIN holding h ON h.book_id = b.id WHERE b.id = %s AND b.withdrawn_at IS NULL"
_AT_BRANCH = (
    "SELECT 1 FROM copy c JOIN branch n ON n.id = c.branch_id "
    "WHERE c.book_id = b.id AND n.code = %s AND c.status <> 'lost'"
)
_FREE_AT_BRANCH = (
    "SELECT 1 FROM copy c JOIN branch n ON n.id = c.branch_id LEFT JOIN reservation r ON r.held_copy_id = c.id "
    "WHERE c.book_id = b.id AND n.code = %s AND c.status = 'in_service' AND r.id IS NULL"
)


@dataclass(frozen=True, slots=True)
class BookOrdering:
    """How a list is ordered: columns (NOT NULL, the id last), their direction, and the types of a cursor's key."""

    columns: tuple[str, ...]
    is_descending: bool
    shape: tuple[type[int] | type[str], ...]


_ORDERINGS = {
    "id": BookOrdering(("id",), False, (int,)),
    "newest": BookOrdering(("id",), True, (int,)),
    "title": BookOrdering(("title_key", "id"), False, (str, int)),
    "-title": BookOrdering(("title_key", "id"), True, (str, int)),
    "year": BookOrdering(("year_key", "id"), False, (int, int)),
    "-year": BookOrdering(("year_key", "id"), True, (int, int)),
    "popularity": BookOrdering(("popularity", "id"), True, (int, int)),
    "relevance": BookOrdering(("score", "id"), True, (int, int)),
}


@dataclass(frozen=True, slots=True)
class BookFilter:
    """What a list is narrowed to; None and empty mean no such filter. `branch` is a code, `language` a short code.

    `available` asks for a free copy (with `branch`: one of that branch), or with False for none.
    """

    q: str = ""
    author: str = ""
    language: str = ""
    year: int | None = None
    branch: str = ""
    available: bool | None = None


def ordering_of(name: str, chosen: BookFilter) -> BookOrdering:
    """The ordering of that name; the default is by relevance for a search and by id else.

    `relevance` without a search is by popularity.
    """
    is_search = bool(chosen.q.strip() or chosen.author.strip())
    name = name or ("relevance" if is_search else "id")
    return _ORDERINGS["popularity" if name == "relevance" and not is_search else name]


def get_book_row(book_id: int) -> tuple[Any, ...]:
    """The row of a book that is in the catalogue, for `book_json`.

    Raises:
        BookNotFound
    """
    with connection.cursor() as cursor:
        cursor.execute(_ONE, (book_id,))
        row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise BookNotFound
    return row


def get_queue_length(book_id: int) -> int:
    """How many readers wait for a book; 0 where there is none."""
    return Holding.objects.filter(pk=book_id).values_list("queue_length", flat=True).first() or 0


def list_book_rows(
    chosen: BookFilter, ordering: BookOrdering, position: Position, *, limit: int
) -> list[tuple[Any, ...]]:
    """Up to `limit + 1` rows behind `position`, in one statement; behind the columns stands the row's key."""
    search = parse_search(chosen.q, author=chosen.author)
    if search is not None and not search:
        return []
    conditions, params = _conditions(chosen)
    if search is None:
        statement, values = _browsed(conditions, params, ordering, position)
    else:
        matches, found = _matches(search, conditions, params, has_author=bool(chosen.author.strip()))
        statement, values = _ranked(matches, ordering, position)
        values = [*found, *values]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, limit + 1])
        return list(cursor.fetchall())


def key_of(row: tuple[Any, ...]) -> Key:
    """The key of a listed row."""
    return row[12:]


def book_json(row: tuple[Any, ...]) -> str:
    """A row as JSON; authors and subjects are stored as JSON texts and copied as they are."""
    text = encode_basestring
    isbn = "null" if row[1] is None else f'"{row[1]}"'
    year = "null" if row[5] is None else row[5]
    return (
        f'{{"id":{row[0]},"isbn":{isbn},"title":{text(row[2])},"authors":{row[3]},"publisher":{text(row[4])},'
        f'"year":{year},"language":{text(row[6])},"subjects":{row[7]},"description":{text(row[8])},'
        f'"copies_total":{row[9]},"copies_available":{row[10]},"queue_length":{row[11]}}}'
    )


def _conditions(chosen: BookFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    params: list[Any] = []
    if chosen.language:
        conditions.append("b.language = %s")
        params.append(chosen.language)
    if chosen.year is not None:
        conditions.append("b.year_key = %s")
        params.append(chosen.year)
    if chosen.branch:
        conditions.append(f"EXISTS ({_FREE_AT_BRANCH if chosen.available else _AT_BRANCH})")
        params.append(chosen.branch)
    if chosen.available is False and chosen.branch:
        conditions.append(f"NOT EXISTS ({_FREE_AT_BRANCH})")
        params.append(chosen.branch)
    elif chosen.available is not None and not chosen.branch:
        conditions.append("h.copies_available > 0" if chosen.available else "h.copies_available <= 0")
    return conditions, params


def _keyset(ordering: BookOrdering, table: str, position: Position) -> tuple[str, list[Any], str]:
    columns = [f"{table}.{column}" for column in ordering.columns]
    return keyset_sql(columns, position, vendor=connection.vendor, is_descending=ordering.is_descending)


def _browsed(
    conditions: list[str], params: list[Any], ordering: BookOrdering, position: Position
) -> tuple[str, list[Any]]:
    """A page of the whole catalogue, along the ordering's index."""
    behind, key, order = _keyset(ordering, "b", position)
    where = " AND ".join(["b.withdrawn_at IS NULL", *conditions, *filter(None, [behind])])
    columns = ", ".join((_COLUMNS, *(f"b.{column}" for column in ordering.columns)))
    source = "FROM book b JOIN holding h ON h.book_id = b.id"
    return f"SELECT {columns} {source} WHERE {where} ORDER BY {order} LIMIT %s", [*params, *key]


def _ranked(matches: str, ordering: BookOrdering, position: Position) -> tuple[str, list[Any]]:
    """A page of matches. They are ordered and cut before the books are joined: sorting whole rows costs far more."""
    behind, key, order = _keyset(ordering, "m", position)
    keys = ", ".join(f"m.{column}" for column in ordering.columns)
    page = f"SELECT {keys} FROM ({matches}) m {behind and f'WHERE {behind}'} ORDER BY {order} LIMIT %s"
    columns = ", ".join((_COLUMNS, *(f"p.{column}" for column in ordering.columns)))
    source = f"FROM ({page}) p JOIN book b ON b.id = p.id JOIN holding h ON h.book_id = b.id"
    return f"SELECT {columns} {source} ORDER BY {order.replace('m.', 'p.')}", key


def _matches(
    search: SearchTerms, conditions: list[str], params: list[Any], *, has_author: bool
) -> tuple[str, list[Any]]:
    """The matches with their score: the title is what was asked, begins with it, or neither; then popularity."""
    match, expression = match_sql(search, is_joined=bool(conditions))
    narrowed = "".join(f" AND {condition}" for condition in conditions)
    holding = " JOIN holding h ON h.book_id = b.id" if "h." in narrowed else ""
    candidates = f"SELECT f.book_id FROM ({match.replace(' WHERE', holding + ' WHERE')}{narrowed} LIMIT %s) f"
    values: list[Any] = [expression, *params, MAX_CANDIDATES]
    if search.phrase and not has_author:
        candidates += (
            f" UNION SELECT e.id FROM (SELECT b.id FROM book b{holding} "
            f"WHERE b.title_key = %s AND b.withdrawn_at IS NULL{narrowed} LIMIT %s) e"
        )
        values += [search.phrase, *params, MAX_CANDIDATES]
    score, phrase = "t.popularity", []
    if search.phrase:
        score = f"CASE WHEN t.title_key = %s THEN {_EXACT} WHEN t.title_key LIKE %s THEN {_BEGINS} ELSE 0 END + {score}"
        phrase = [search.phrase, search.phrase + "%"]
    columns = f"t.id, t.title_key, t.year_key, t.popularity, {score} AS score"
    return f"SELECT {columns} FROM ({candidates}) u JOIN book t ON t.id = u.book_id", [*phrase, *values]

"""The table `book_search`: written in the transaction of the book, asked by one full-text match.

SQLite has an FTS5 table whose rowid is the book's id, MariaDB and MySQL a FULLTEXT index (which sees committed rows
only), PostgreSQL a tsvector with a GIN index. All of them hold words that are folded already.
"""

from collections.abc import Sequence

from django.db import connection

from bookwell.library.catalog.search_terms import SearchTerms

__all__ = ["match_sql", "remove_terms_in_tx", "write_terms_in_tx"]

_UPSERT = {
    "sqlite": ("INSERT OR REPLACE INTO book_search (rowid, terms) VALUES ", "(%s, %s)", ""),
    "mysql": ("REPLACE INTO book_search (book_id, terms) VALUES ", "(%s, %s)", ""),
    "postgresql": (
        "INSERT INTO book_search (book_id, terms) VALUES ",
        "(%s, %s::tsvector)",
        " ON CONFLICT (book_id) DO UPDATE SET terms = EXCLUDED.terms",
    ),
}
_MATCH = {
    "sqlite": "SELECT s.rowid AS book_id FROM book_search s{join} WHERE s.book_search MATCH %s",
    "mysql": "SELECT s.book_id FROM book_search s{join} WHERE MATCH (s.terms) AGAINST (%s IN BOOLEAN MODE)",
    "postgresql": "SELECT s.book_id FROM book_search s{join} WHERE s.terms @@ %s::tsquery",
}
# Matches first, then their books: SQLite would rather look every book of a language up in the index.
_JOIN = {"sqlite": "CROSS JOIN", "mysql": "STRAIGHT_JOIN", "postgresql": "JOIN"}
_ID = {"sqlite": "s.rowid", "mysql": "s.book_id", "postgresql": "s.book_id"}


def write_terms_in_tx(rows: Sequence[tuple[int, str]]) -> None:
    """Store the terms of books, by id, in one statement; at most some hundred at a time."""
    if not rows:
        return
    head, row, tail = _UPSERT[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(head + ", ".join([row] * len(rows)) + tail, [value for pair in rows for value in pair])


def remove_terms_in_tx(book_id: int) -> None:
    """Let a book no longer be found."""
    column = "rowid" if connection.vendor == "sqlite" else "book_id"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM book_search WHERE {column} = %s", (book_id,))


def match_sql(terms: SearchTerms, *, is_joined: bool) -> tuple[str, str]:
    """A SELECT of the `book_id` of every match, and its one parameter; joined to `book b` when filters need it."""
    vendor = connection.vendor
    join = f" {_JOIN[vendor]} book b ON b.id = {_ID[vendor]}" if is_joined else ""
    return _MATCH[vendor].format(join=join), _EXPRESSION[vendor](terms)


def _fts5(terms: SearchTerms) -> str:
    words = [f'"{word}"' for word in terms.words]
    words += ["(" + " OR ".join(f'"{choice}"*' for choice in choices) + ")" for choices in terms.beginnings]
    return " AND ".join(words)


def _innodb(terms: SearchTerms) -> str:
    words = [f"+{word}" for word in terms.words]
    words += ["+(" + " ".join(f"{choice}*" for choice in choices) + ")" for choices in terms.beginnings]
    return " ".join(words)


def _tsquery(terms: SearchTerms) -> str:
    words = [f"'{word}'" for word in terms.words]
    words += ["(" + " | ".join(f"'{choice}':*" for choice in choices) + ")" for choices in terms.beginnings]
    return " & ".join(words)


_EXPRESSION = {"sqlite": _fts5, "mysql": _innodb, "postgresql": _tsquery}

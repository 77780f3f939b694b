"""A library of any size, the same at every run: books, copies, readers, and the queues that some books have.

Books are numbered from 1. The last `2 * QUEUE_BOOKS` have both their copies lent: the first half of them with a queue
of `QUEUE_LENGTH` readers, the second half with none. All others have their copies on the shelf. Readers up to
`PATRONS` fill the queues and never call; `PLACERS` more place what is measured.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import words
from bench.loading import Value, load_rows, run_sql
from bookwell.library.catalog.search_terms import index_terms

__all__ = ["FIRST_PLACER", "PLACERS", "Books", "Library", "count_placed", "fill", "put_back"]

COPIES_EACH = 2
QUEUE_BOOKS = 200
QUEUE_LENGTH = 1000
PATRONS = 20_000
FIRST_PLACER = PATRONS + 1
PLACERS = 2_000
_MOMENT = "2026-01-05 09:00:00"
_LATER = "2036-01-05 09:00:00"
_LANGUAGES = ["en", "en", "en", "pl", "de", "fr", "ru"]

_PURGED = 100
"""So few transactions left to purge are none."""

Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Books:
    """A range of books, by their ids."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Library:
    """A filled database of `books` books."""

    url: str
    books: int

    @property
    def on_shelf(self) -> Books:
        """Books with free copies."""
        return Books(1, self.books - 2 * QUEUE_BOOKS)

    @property
    def queued(self) -> Books:
        """Books whose copies are lent and for which `QUEUE_LENGTH` readers wait."""
        return Books(self.books - 2 * QUEUE_BOOKS + 1, QUEUE_BOOKS)

    @property
    def lent(self) -> Books:
        """Books whose copies are lent and for which nobody waits."""
        return Books(self.books - QUEUE_BOOKS + 1, QUEUE_BOOKS)


def fill(url: str, books: int) -> Library:
    """Fill a migrated, empty database; a million books take minutes."""
    library = Library(url, books)
    run_sql(
        url,
        "INSERT IGNORE INTO branch (id, code, name, time_zone, open_weekdays) "
        "VALUES (1, 'main', 'Main Library', 'UTC', '[1,2,3,4,5,6,7]')",
        "INSERT IGNORE INTO reader_category (code, name) VALUES ('adult', 'Adult')",
        "DELETE FROM policy",
        "INSERT INTO policy (category_id, max_open_reservations, max_open_loans, loan_days, max_renewals, "
        "pickup_days, reminder_days, overdue_loans_that_block, renewal_blocked_by_queue) "
        "VALUES ('adult', 100, 20, 28, 2, 7, 3, 1, 1)",
    )
    load_rows(url, "account", _ACCOUNT, _accounts())
    load_rows(url, "book", _BOOK, _books(books))
    _load_search(url, books)
    load_rows(url, "holding", _HOLDING, _holdings(library))
    load_rows(url, "copy", _COPY, _copies(books))
    load_rows(url, "reservation", _RESERVATION, _loans_and_queues(library))
    run_sql(url, "ANALYZE TABLE account, book, book_search, holding, copy, reservation")
    return library


def put_back(library: Library) -> None:
    """Undo everything that was placed since `fill`, so that each measurement begins alike.

    Waits until the server has purged the deleted rows: inserting beside them takes locks that nobody else meets.
    """
    queued = library.queued
    run_sql(
        library.url,
        f"DELETE FROM reservation WHERE version < {_FILLED}",
        f"UPDATE holding SET copies_available = IF(book_id < {queued.first}, {COPIES_EACH}, 0), "
        f"queue_length = IF(book_id BETWEEN {queued.first} AND {library.lent.first - 1}, {QUEUE_LENGTH}, 0), "
        f"next_queue_no = {QUEUE_LENGTH + 1}, version = 0 WHERE version > 0",
        *(f"TRUNCATE TABLE {table}" for table in ("outbox", "audit_entry", "idempotency_key")),
    )
    for _ in range(100):
        unpurged = run_sql(library.url, "SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'")
        if int(unpurged[0][1]) < _PURGED:
            return
        time.sleep(0.1)


_ACCOUNT = (
    *("id", "password", "username", "username_key", "email", "confirmed_email", "role", "category_id"),
    *("home_branch_id", "card_number", "language", "channels", "is_active", "created_at", "version"),
)


def _accounts() -> Iterator[Row]:
    for number in range(1, PATRONS + PLACERS + 1):
        name, email = f"reader{number}", f"reader{number}@example.org"
        who: Row = (number, "!", name, name, email, email, "reader", "adult")
        yield *who, 1, f"C{number:08}", "en", [], 1, _MOMENT, 1


_BOOK = (
    *("id", "isbn", "title", "title_key", "authors", "publisher", "year", "year_key", "language", "subjects"),
    *("description", "popularity", "created_at", "updated_at", "version"),
)


def _books(count: int) -> Iterator[Row]:
    choice = random.Random(1)  # noqa: S311 -- the same catalogue each time
    publishers = [f"{word.title()} Press" for word in words.FILLERS[:300]]
    for number in range(count):
        filler = choice.choices(words.FILLERS, k=24)
        title = " ".join([*filler[:3], *words.words_of(number, count)]).capitalize()
        authors = [f"{filler[3].title()} {filler[4].title()}"]
        yield (
            *(number + 1, _isbn(number), title, title.lower(), authors, publishers[number % 300]),
            *(1950 + number % 75, 1950 + number % 75, _LANGUAGES[number % 7], filler[5:7], " ".join(filler[7:])),
            *(choice.randrange(100_000), _MOMENT, _MOMENT, 1),
        )


def _load_search(url: str, books: int) -> None:
    """Fill the search table by the catalogue's own folding; its index is made at the end, which is much faster."""
    run_sql(url, "ALTER TABLE book_search DROP INDEX book_search_terms")
    load_rows(url, "book_search", ("book_id", "terms"), map(_terms, _books(books)))
    run_sql(url, "ALTER TABLE book_search ADD FULLTEXT INDEX book_search_terms (terms)")


def _terms(book: Row) -> Row:
    named: dict[str, Any] = dict(zip(_BOOK, book, strict=True))
    return named["id"], index_terms(**{name: named[name] for name in ("title", "authors", "subjects", "isbn")})


def _isbn(number: int) -> str:
    digits = f"978{number:09}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)


_HOLDING = ("book_id", "copies_total", "copies_available", "queue_length", "next_queue_no", "version")


def _holdings(library: Library) -> Iterator[Row]:
    for book in range(1, library.books + 1):
        is_lent = book >= library.queued.first
        queue = QUEUE_LENGTH if library.queued.first <= book < library.lent.first else 0
        yield book, COPIES_EACH, 0 if is_lent else COPIES_EACH, queue, QUEUE_LENGTH + 1, 0


_COPY = ("id", "barcode", "book_id", "branch_id", "location_id", "item_condition", "status", "version")


def _copies(books: int) -> Iterator[Row]:
    for number in range(books * COPIES_EACH):
        yield number + 1, f"B{number:09}", number // COPIES_EACH + 1, 1, 1, "", "in_service", 1


_RESERVATION = (
    *("book_id", "reader_id", "state", "open_marker", "pickup_branch_id", "copy_id", "held_copy_id", "queue_no"),
    *("is_on_pull_list", "borrowed_at", "due_at", "renewals", "partner", "reason", "created_at", "version"),
)
_FILLED = 1_000_000
"""The version of reservations made by `fill`, which `put_back` keeps."""


def _loans_and_queues(library: Library) -> Iterator[Row]:
    """Two loans of every book behind `on_shelf`, and `QUEUE_LENGTH` waiting readers of the `queued` ones."""
    behind_shelf = library.queued.first
    for book in range(behind_shelf, library.books + 1):
        place = (book - behind_shelf) * (COPIES_EACH + QUEUE_LENGTH)
        for turn in range(COPIES_EACH):
            copy = (book - 1) * COPIES_EACH + turn + 1
            reader = (place + turn) % PATRONS + 1
            loan = (book, reader, "borrowed", 1, 1, copy, copy, 0)
            yield *loan, 0, _MOMENT, _LATER, 0, "", "", _MOMENT, _FILLED
        for turn in range(QUEUE_LENGTH if book < library.lent.first else 0):
            reader = (place + COPIES_EACH + turn) % PATRONS + 1
            waiting = (book, reader, "waiting", 1, 1, None, None, turn + 1)
            yield *waiting, 0, None, None, 0, "", "", _MOMENT, _FILLED


def count_placed(library: Library) -> int:
    """How many reservations were placed since the library was last put back."""
    return int(run_sql(library.url, f"SELECT COUNT(*) FROM reservation WHERE version < {_FILLED}")[0][0])

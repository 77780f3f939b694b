"""What a simulated library has: a part of the sample books, in states that are the same on every start.

Each library draws a shelf for each book from the book's ISBN and its own name, so that one book stands differently
in each of them.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources

__all__ = ["Condition", "Copy", "Title", "draw_stock", "isbn10_of"]


class Condition(StrEnum):
    """How a copy stands when nobody of ours has asked for it."""

    FREE = "free"
    DELAYED = "delayed"
    ON_LOAN = "on_loan"
    READING_ROOM = "reading_room"
    SHORT_LOAN_OUT = "short_loan_out"
    LOST = "lost"
    WITHDRAWN = "withdrawn"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy; `days` until a loan ends, None when the library does not tell; `queue` of its own readers."""

    number: int
    condition: Condition
    days: int | None = None
    queue: int = 0

    @property
    def is_free(self) -> bool:
        """Whether a reader could have it."""
        return self.condition in {Condition.FREE, Condition.DELAYED}


@dataclass(frozen=True, slots=True, eq=False)
class Title:
    """One title of a library, itself alone when compared; `number` is its record's."""

    number: int
    isbn: str
    name: str
    author: str
    copies: tuple[Copy, ...]


_FREE, _OUT = Condition.FREE, Condition.ON_LOAN
_SHELVES: Sequence[Sequence[tuple[Condition, int | None, int]] | None] = (
    None,
    None,
    None,
    [(_FREE, None, 0)],
    [(_FREE, None, 0), (_OUT, 9, 0)],
    [(_FREE, None, 0), (_FREE, None, 0), (Condition.READING_ROOM, None, 0)],
    [(Condition.DELAYED, None, 0)],
    [(_OUT, 5, 0)],
    [(_OUT, 12, 2), (_OUT, 20, 1)],
    [(_OUT, None, 1)],
    [(_OUT, -3, 4)],
    [(Condition.READING_ROOM, None, 0)],
    [(Condition.SHORT_LOAN_OUT, 2, 0)],
    [(Condition.LOST, None, 0), (Condition.WITHDRAWN, None, 0)],
    [(Condition.DAMAGED, None, 0), (_FREE, None, 0)],
    [],
)
"""One of them for each book, as (condition, days, queue) of its copies; None: the library does not have the book."""


def draw_stock(library: str) -> dict[str, Title]:
    """The titles of one library by ISBN-13, in a new dictionary."""
    return dict(_drawn(library))


@lru_cache
def _drawn(library: str) -> Mapping[str, Title]:
    with resources.files(__package__).joinpath("books.csv").open(encoding="utf-8") as file:
        books = list(csv.DictReader(file))
    stock = {}
    for number, book in enumerate(books, start=1):
        digest = hashlib.sha256(f"{library}:{book['isbn']}".encode()).digest()
        shelf = _SHELVES[digest[0] % len(_SHELVES)]
        if shelf is not None:
            copies = tuple(Copy(number * 10 + place, *facts) for place, facts in enumerate(shelf))
            stock[book["isbn"]] = Title(number, book["isbn"], book["title"], book["author"], copies)
    return stock


@lru_cache(maxsize=4096)
def isbn10_of(isbn13: str) -> str | None:
    """The ISBN-10 of an ISBN-13, None for one that has none."""
    if not isbn13.startswith("978"):
        return None
    body = isbn13[3:12]
    rest = sum((10 - place) * int(digit) for place, digit in enumerate(body)) % 11
    return body + "0X987654321"[rest]

"""CSV files: UTF-8, with a header line, separated by commas, semicolons or tabs.

Two headers are known. Ours: `title` and, in any order and each optional, `authors`, `isbn`, `isbn13`, `publisher`,
`year`, `language`, `subjects`, `description`, `control_number`, `popularity`; several authors or subjects are separated
by `;` or `|`. And that of goodbooks-10k's books.csv. Other columns are passed over.

`isbn` may have lost leading zeros; `isbn13` counts only when all its 13 digits are there, because spreadsheets round
it (9.78043902348e+12).
"""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from bookwell.library.catalog.errors import IsbnInvalid
from bookwell.library.catalog.importing.records import Record, Rejection, make_record
from bookwell.library.catalog.isbn import isbn13_of, repaired_isbn13
from bookwell.library.catalog.rules import BookData

__all__ = ["HeaderUnknown", "read_csv"]

_LONGEST_LINE = 1 << 20
_MOST_LINES = 200
_NAMES = re.compile(r"\s*[;|]\s*")
_ISBN_13 = re.compile(r"[\d-]{13,17}")
_NUMBER = re.compile(r"-?\d+(\.0*)?")
_GOODBOOKS = frozenset({"book_id", "isbn", "isbn13", "authors", "original_publication_year", "title", "language_code"})

Row = dict[str, str]
Line = tuple[int, str]


class HeaderUnknown(ValueError):
    """The first line names no column `title`."""


def read_csv(file: IO[bytes]) -> Iterator[Record | Rejection]:
    """The rows of a file, one by one.

    A quotation mark that is never closed costs its own line, not those that follow.

    Raises:
        HeaderUnknown
    """
    lines = _Lines(file)
    header, delimiter = _read_header(lines)
    record_of = _goodbooks_record if header.keys() >= _GOODBOOKS else _plain_record
    while (row := _read_row(lines, delimiter, len(header))) is not None:
        if isinstance(row, Rejection):
            yield row
        elif row[1]:
            number, cells = row
            yield record_of(number, {name: cells[place].strip() for name, place in header.items()})


class _Lines:
    """Numbered lines, some of which may be given back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._number = 0
        self._returned: deque[Line | Rejection] = deque()

    def next(self) -> Line | Rejection | None:
        if self._returned:
            return self._returned.popleft()
        raw = self._file.readline(_LONGEST_LINE)
        if not raw:
            return None
        self._number += 1
        if len(raw) == _LONGEST_LINE and not raw.endswith(b"\n"):
            while (rest := self._file.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            return Rejection(self._number, "too_long", "the line is longer than a megabyte")
        try:
            return self._number, raw.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            return Rejection(self._number, "encoding", f"not UTF-8 at byte {error.start} of the line")

    def give_back(self, lines: Sequence[Line | Rejection]) -> None:
        self._returned.extendleft(reversed(lines))


def _read_header(lines: _Lines) -> tuple[dict[str, int], str]:
    first = lines.next()
    if isinstance(first, tuple):
        for delimiter in ",;\t":
            header = {cell.strip().lower(): place for place, cell in enumerate(_cells_of(first[1], delimiter))}
            if "title" in header:
                return header, delimiter
    raise HeaderUnknown("The first line must name the columns, one of them `title`, and end with a line feed.")


def _cells_of(text: str, delimiter: str) -> list[str]:
    """None of a line that is no CSV, such as a whole file whose lines end with a carriage return alone."""
    try:
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return []


def _read_row(lines: _Lines, delimiter: str, width: int) -> tuple[int, list[str]] | Rejection | None:
    """The next row and its line; without cells for an empty line; None at the end."""
    first = lines.next()
    if first is None or isinstance(first, Rejection):
        return first
    number, text = first
    if not text.strip():
        return number, []
    further: list[Line | Rejection] = []
    try:
        cells = next(csv.reader(_taken(lines, text, further), delimiter=delimiter, strict=True))
    except csv.Error as error:
        lines.give_back(further)
        return Rejection(number, "quotes", str(error), text[:100].strip())
    if len(cells) != width:
        lines.give_back(further)
        return Rejection(number, "columns", f"{len(cells)} columns instead of {width}", text[:100].strip())
    return number, cells


def _taken(lines: _Lines, text: str, further: list[Line | Rejection]) -> Iterator[str]:
    """A row's first line, and as many `further` ones as are asked for because a quoted line break goes on there.

    Only the parser knows which quotation marks open a cell: within an unquoted one they are letters.
    """
    yield text
    while len(further) < _MOST_LINES and (line := lines.next()) is not None:
        further.append(line)
        if isinstance(line, Rejection):
            return
        yield line[1]


def _goodbooks_record(line: int, row: Row) -> Record | Rejection:
    if not row["book_id"].isdecimal():
        return Rejection(line, "control_number", "book_id is not a number", row["title"])
    authors = [name.strip() for name in row["authors"].split(",")]
    return _record(
        line,
        row,
        control_number=f"goodbooks:{int(row['book_id'])}",
        popularity=_number(row.get("ratings_count", "")) or 0,
        data=lambda isbn: BookData(
            title=row["title"],
            authors=authors,
            isbn=isbn,
            year=_number(row["original_publication_year"]),
            language=row["language_code"],
        ),
    )


def _plain_record(line: int, row: Row) -> Record | Rejection:
    return _record(
        line,
        row,
        control_number=row.get("control_number", ""),
        popularity=_number(row.get("popularity", "")) or 0,
        data=lambda isbn: BookData(
            title=row["title"],
            authors=_NAMES.split(row.get("authors", "")),
            isbn=isbn,
            publisher=row.get("publisher", ""),
            year=_number(row.get("year", "")),
            language=row.get("language", ""),
            subjects=_NAMES.split(row.get("subjects", "")),
            description=row.get("description", ""),
        ),
    )


def _record(
    line: int, row: Row, *, control_number: str, popularity: int, data: Callable[[str | None], BookData]
) -> Record | Rejection:
    try:
        isbn = _isbn(row.get("isbn", ""), row.get("isbn13", ""))
    except IsbnInvalid as error:
        return Rejection(line, "isbn_invalid", error.detail, row["title"])
    return make_record(line, data(isbn), control_number=control_number, popularity=popularity)


def _isbn(isbn: str, isbn13: str) -> str | None:
    """The ISBN-13 of a row, or none.

    Raises:
        IsbnInvalid: if `isbn` is wrong and no whole `isbn13` stands in for it, or the two contradict each other.
    """
    whole = isbn13_of(isbn13) if _ISBN_13.fullmatch(isbn13) else None
    if not isbn:
        return whole
    try:
        repaired = repaired_isbn13(isbn)
    except IsbnInvalid as error:
        if whole is None:
            raise IsbnInvalid(f"{isbn!r} is no ISBN, also not with leading zeros put back") from error
        return whole
    if whole is not None and whole != repaired:
        raise IsbnInvalid(f"isbn {isbn!r} and isbn13 {isbn13!r} are of different books")
    return repaired


def _number(text: str) -> int | None:
    """A whole number, also one that a spreadsheet has written as 1997.0; None for anything else."""
    return int(text.partition(".")[0]) if _NUMBER.fullmatch(text) and len(text) < 16 else None

"""What a source yields: records that can become books, and rejections that say where and why."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from bookwell.kit.errors import Invalid
from bookwell.library.catalog.rules import BookData

__all__ = ["Record", "Rejection", "make_record"]

_LONGEST = {"title": 500, "publisher": 200, "description": 20_000}
_MOST_NAMES = 200
_LONGEST_NAME = 200
_LONGEST_CONTROL_NUMBER = 100
_YEARS = range(-4000, 10_000)
_BIGGEST_POPULARITY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that became no book. `line` is a CSV file's line or a MARC file's record, counted from 1."""

    line: int
    code: str
    reason: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A checked row. `control_number` names it at its source for good; `digest` changes with its content."""

    line: int
    control_number: str
    data: BookData
    popularity: int
    digest: str


def make_record(line: int, data: BookData, *, control_number: str = "", popularity: int = 0) -> Record | Rejection:
    """The record of a row; one without a control number is named after its ISBN, else after its content."""
    try:
        checked = data.checked()
    except Invalid as error:
        return Rejection(line, error.code.removeprefix("book."), error.detail, data.title)
    if excess := _excess(checked):
        return Rejection(line, *excess, checked.title[:100])
    if checked.year is not None and checked.year not in _YEARS:
        checked = replace(checked, year=None)
    popularity = min(max(popularity, 0), _BIGGEST_POPULARITY)
    content = json.dumps([asdict(checked), popularity], ensure_ascii=False)
    if not control_number:
        control_number = f"isbn:{checked.isbn}" if checked.isbn else f"row:{_digest(content)}"
    if len(control_number) > _LONGEST_CONTROL_NUMBER:
        return Rejection(line, "too_long", "the control number is too long", checked.title)
    return Record(line, control_number, checked, popularity, _digest(control_number + content))


def _excess(data: BookData) -> tuple[str, str] | None:
    """The code and the reason, when the data is more than what the API takes for a book."""
    for name, longest in _LONGEST.items():
        if len(getattr(data, name)) > longest:
            return "too_long", f"{name} is longer than {longest} characters"
    for kind, names in (("authors", data.authors), ("subjects", data.subjects)):
        if len(names) > _MOST_NAMES:
            return "too_many", f"{len(names)} {kind}, of which {_MOST_NAMES} are taken"
        if any(len(name) > _LONGEST_NAME for name in names):
            return "too_long", f"one of the {kind} is longer than {_LONGEST_NAME} characters"
    return None


def _digest(content: str) -> str:
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()

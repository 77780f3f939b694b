"""MARC21 files (ISO 2709), each record in UTF-8 or MARC-8 as its leader says.

The file is cut at record terminators, so a broken record costs itself alone; what stands before a good record in the
same piece, because its own terminator is missing, is reported and left behind.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from typing import IO

import pymarc

from bookwell.library.catalog.errors import IsbnInvalid
from bookwell.library.catalog.importing.records import Record, Rejection, make_record
from bookwell.library.catalog.isbn import isbn13_of
from bookwell.library.catalog.rules import BookData

__all__ = ["read_marc"]

_TERMINATOR = b"\x1d"
_CHUNK = 1 << 16
_LONGEST_RECORD = 100_000
_LEADER = re.compile(rb"(?=(\d{5})[ -~]{5}22\d{5}[ -~]{3}45)", re.DOTALL)
_ISBN = re.compile(r"[0-9Xx-]{10,17}")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_ISBD = " /:;,="
_DELETED = "d"


def read_marc(file: IO[bytes]) -> Iterator[Record | Rejection]:
    """The records of a file, one by one, numbered from 1 in the order they stand there."""
    number = 0
    for piece in _pieces(file):
        number += 1
        broken, whole = _split(piece)
        if broken is not None:
            yield Rejection(number, "marc_broken", broken)
            if whole is None:
                continue
            number += 1
        if whole is not None:
            yield _read_record(number, whole)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What stands between record terminators, with its terminator; memory stays bounded without any."""
    rest = b""
    while chunk := file.read(_CHUNK):
        *pieces, rest = (rest + chunk).split(_TERMINATOR)
        for piece in pieces:
            if piece.strip():
                yield piece.lstrip(b"\r\n\t \x00") + _TERMINATOR
        if len(rest) > 2 * _LONGEST_RECORD:
            yield rest[:_LONGEST_RECORD]
            rest = rest[_LONGEST_RECORD:]
    if rest.strip(b"\r\n\t \x00\x1a"):
        yield rest


def _split(piece: bytes) -> tuple[str | None, bytes | None]:
    """Why the piece's beginning is broken, if it is, and the record that ends it, if there is one."""
    if piece[:5].isdigit() and int(piece[:5]) == len(piece):
        return None, piece
    for match in _LEADER.finditer(piece):
        if int(match[1]) == len(piece) - match.start():
            return "a record without its end", piece[match.start() :]
    if not piece.endswith(_TERMINATOR):
        return "the file ends within the record", None
    return f"the leader says {piece[:5]!r} bytes, there are {len(piece)}", None


def _read_record(number: int, raw: bytes) -> Record | Rejection:
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints), warnings.catch_warnings():
            warnings.simplefilter("error")
            marc = pymarc.Record(raw, to_unicode=True, force_utf8=_is_utf8(raw))
    except Exception as error:  # noqa: BLE001 -- pymarc's own errors, and whatever damaged bytes make of its code
        return Rejection(number, "marc_broken", f"{type(error).__name__}: {error}".rstrip(": "))
    if complaints.getvalue():  # pymarc tells of characters that MARC-8 does not have there alone
        return Rejection(number, "encoding", complaints.getvalue().splitlines()[0])
    if marc.leader[5] == _DELETED:
        return Rejection(number, "deleted", "the record is marked as deleted", _title(marc))
    return _record_of(number, marc)


def _is_utf8(raw: bytes) -> bool:
    """UTF-8 by its leader, or by its bytes where the leader has been forgotten: MARC-8 hardly ever is valid UTF-8."""
    if raw[9:10] == b"a":
        return True
    try:
        return not raw.isascii() and bool(raw.decode())
    except UnicodeDecodeError:
        return False


def _record_of(number: int, marc: pymarc.Record) -> Record | Rejection:
    try:
        isbn = _isbn(marc)
    except IsbnInvalid as error:
        return Rejection(number, "isbn_invalid", error.detail, _title(marc))
    data = BookData(
        title=_title(marc),
        authors=list(dict.fromkeys(_values(marc, ("100", "110", "111", "700", "710"), "a"))),
        isbn=isbn,
        publisher=next(iter(_values(marc, ("264", "260"), "b")), "")[:200],
        year=_year(marc),
        language=_language(marc),
        subjects=list(dict.fromkeys(_values(marc, ("600", "610", "650", "651", "655"), "a"))),
        description=" ".join(_values(marc, ("520",), "a"))[:20_000],
    )
    return make_record(number, data, control_number=_control_number(marc))


def _values(marc: pymarc.Record, tags: tuple[str, ...], code: str) -> list[str]:
    values = [
        value.strip(_ISBD) for tag in tags for field in marc.get_fields(tag) for value in field.get_subfields(code)
    ]
    return [_without_full_stop(value) for value in values if value]


def _without_full_stop(value: str) -> str:
    """The punctuation that ends a field goes; the stop of an initial or an abbreviation stays."""
    return value[:-1] if re.search(r"\w{3}\.$", value) else value


def _title(marc: pymarc.Record) -> str:
    field = marc.get("245")
    if field is None:
        return ""
    parts = [value.strip(_ISBD) for code in "anpb" for value in field.get_subfields(code)]
    return ": ".join(part for part in parts if part).rstrip(".")


def _isbn(marc: pymarc.Record) -> str | None:
    found = [_ISBN.search(value) for value in _values(marc, ("020",), "a")]
    candidates = [match[0] for match in found if match]
    if not candidates:
        return None
    for candidate in candidates:
        with contextlib.suppress(IsbnInvalid):
            return isbn13_of(candidate)
    raise IsbnInvalid(f"{candidates[0]!r} is not an ISBN.")


def _year(marc: pymarc.Record) -> int | None:
    fixed = _fixed_field(marc)[7:11]
    if fixed.isdecimal() and fixed.isascii():
        return int(fixed)
    for value in _values(marc, ("264", "260"), "c"):
        if match := _YEAR.search(value):
            return int(match[0])
    return None


def _language(marc: pymarc.Record) -> str:
    code = _fixed_field(marc)[35:38]
    if not (code.isascii() and code.isalpha()):
        code = next(iter(_values(marc, ("041",), "a")), "")[:3]
    return code if code.isascii() and code.isalpha() else ""


def _fixed_field(marc: pymarc.Record) -> str:
    field = marc.get("008")
    return str(field.data or "") if field is not None else ""


def _control_number(marc: pymarc.Record) -> str:
    number, source = marc.get("001"), marc.get("003")
    name = (number.data or "").strip() if number is not None else ""
    if not name:
        return ""
    prefix = f"{source.data.strip()}:" if source is not None and source.data else ""
    return f"marc:{prefix}{name}"

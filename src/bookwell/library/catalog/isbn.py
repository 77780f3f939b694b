"""ISBNs: checked, brought to 13 digits, and repaired where a spreadsheet has eaten the leading zeros."""

import re

from stdnum import isbn as stdnum_isbn

from bookwell.library.catalog.errors import IsbnInvalid

__all__ = ["isbn10_of", "isbn13_of", "repaired_isbn13"]

_SEPARATORS = re.compile("[\\s\u2010-\u2015\u2212-]+")
_SHORTEST_REPAIRABLE = 6
_LENGTH_10 = 10


def isbn13_of(text: str) -> str:
    """The ISBN-13 of an ISBN of 10 or 13 digits, typed with or without hyphens.

    Raises:
        IsbnInvalid: if the length or the check digit is wrong.
    """
    compact = _SEPARATORS.sub("", text).upper()
    if not compact.isascii() or not stdnum_isbn.is_valid(compact):
        raise IsbnInvalid(f"{text!r} is not an ISBN.")
    return str(stdnum_isbn.compact(stdnum_isbn.to_isbn13(compact)))


def repaired_isbn13(text: str) -> str:
    """Like `isbn13_of`, for values that lost up to four leading zeros; the check digit must agree.

    Raises:
        IsbnInvalid
    """
    compact = _SEPARATORS.sub("", text)
    if _SHORTEST_REPAIRABLE <= len(compact) < _LENGTH_10:
        compact = compact.zfill(_LENGTH_10)
    return isbn13_of(compact)


def isbn10_of(isbn13: str) -> str | None:
    """The ISBN-10 of a valid ISBN-13; None for those that have none (979…)."""
    if not isbn13.startswith("978"):
        return None
    return str(stdnum_isbn.to_isbn10(isbn13))

"""International Standard Book Numbers, checked; inside, every one has 13 digits."""

from stdnum import isbn as stdnum_isbn

from bookwell.kit.errors import Invalid

__all__ = ["IsbnInvalid", "isbn13_of"]

_LONGEST = 32


class IsbnInvalid(Invalid):
    """The text is no ISBN-10 or ISBN-13, or its check digit is wrong."""

    code = "isbn.invalid"
    title = "This is no ISBN"


def isbn13_of(text: str) -> str:
    """The ISBN-13 of an ISBN-10 or -13, with or without hyphens and blanks.

    Raises:
        IsbnInvalid
    """
    compact = text.replace("-", "").replace(" ", "").upper() if len(text) <= _LONGEST else ""
    if not compact.isascii() or not stdnum_isbn.is_valid(compact):
        raise IsbnInvalid("An ISBN has 10 or 13 digits, of which the last one checks the others.")
    return str(stdnum_isbn.to_isbn13(compact))

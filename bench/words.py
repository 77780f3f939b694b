"""Made-up words of known frequency, so that searches can be compared across sizes of the catalogue.

All are plain lower-case ASCII, so that no folding changes them; none of a known frequency begins another word.
"""

from collections.abc import Iterator

__all__ = ["COMMON", "COMMON_ONE_IN", "FEW", "FEW_BOOKS", "FILLERS", "SHARE", "SHARE_ONE_IN", "words_of"]

_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstv" for vowel in "aeiou"]


def _series(prefix: str, count: int, suffix: str = "x") -> list[str]:
    size = len(_SYLLABLES)
    return [f"{prefix}{_SYLLABLES[number // size]}{_SYLLABLES[number % size]}{suffix}" for number in range(count)]


FEW = _series("qu", 200)
FEW_BOOKS = 20
"""Every word of `FEW` stands in so many books, whatever the size."""

SHARE = _series("zy", 200)
SHARE_ONE_IN = 1000
"""Every word of `SHARE` stands in one of so many books."""

COMMON = _series("wo", 5)
COMMON_ONE_IN = 10
"""Every word of `COMMON` stands in one of so many books."""

FILLERS = [first + second for first in _series("", 1000, "") for second in ("", "ra", "mis", "tor")]
"""The vocabulary of everything else."""


def words_of(number: int, books: int) -> Iterator[str]:
    """The words of known frequency in book `number` (from 0) of `books`, spread over the whole catalogue."""
    if number % COMMON_ONE_IN < len(COMMON):
        yield COMMON[number % COMMON_ONE_IN]
    share = number % SHARE_ONE_IN
    if share < len(SHARE):
        yield SHARE[share]
    step = books // (len(FEW) * FEW_BOOKS)
    place, rest = divmod(number, step)
    if rest == 0 and place < len(FEW) * FEW_BOOKS:
        yield FEW[place % len(FEW)]

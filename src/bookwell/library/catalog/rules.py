"""What is written down about a book, and in which form."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bookwell.kit.errors import Invalid
from bookwell.library.catalog.isbn import isbn13_of
from bookwell.library.catalog.languages import language_code

__all__ = ["BookData", "NamesInvalid", "TitleMissing", "tidy"]

_BLANKS = re.compile(r"\s+")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class TitleMissing(Invalid):
    """A book has a title with at least one visible character."""

    code = "book.title_missing"
    title = "A book needs a title"


class NamesInvalid(Invalid):
    """Authors and subjects are lists of texts."""

    code = "book.names_invalid"
    title = "Authors and subjects are lists of names"


@dataclass(frozen=True, slots=True)
class BookData:
    """A book as its cataloguer describes it; `isbn` and `language` in any usual spelling until they are checked."""

    title: str
    authors: Sequence[str] = ()
    isbn: str | None = None
    publisher: str = ""
    year: int | None = None
    language: str = ""
    subjects: Sequence[str] = ()
    description: str = ""

    def checked(self) -> "BookData":
        """The same with an ISBN-13, a short language code, and texts without stray blanks.

        Raises:
            TitleMissing, NamesInvalid, IsbnInvalid, LanguageInvalid
        """
        title = tidy(self.title)
        if not title:
            raise TitleMissing
        return replace(
            self,
            title=title,
            authors=_tidy_names(self.authors),
            isbn=isbn13_of(self.isbn) if self.isbn and self.isbn.strip() else None,
            publisher=tidy(self.publisher),
            language=language_code(self.language),
            subjects=_tidy_names(self.subjects),
            description=unicodedata.normalize("NFC", self.description).strip(),
        )


def _tidy_names(names: object) -> list[str]:
    """Forms that edit JSON bring whatever it can hold; a text alone would fall apart into its letters."""
    if not isinstance(names, (list, tuple)):
        raise NamesInvalid
    if not all(isinstance(name, str) for name in names):
        raise NamesInvalid
    return [name for name in map(tidy, names) if name]


def tidy(text: str) -> str:
    """A line of text: composed (NFC), without control characters, with single blanks."""
    return _BLANKS.sub(" ", _CONTROLS.sub("", unicodedata.normalize("NFC", text))).strip()

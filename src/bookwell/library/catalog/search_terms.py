"""What a book is found by, and what a search asks for, as words of one folded alphabet.

Full-text indexes pass over short words and stop words ("It", "Go", "The Who"), each database over others. Those words
therefore carry a prefix, so that to an index they look like any other. Author's words are there twice, the second
time marked, so that a search by author is the same one full-text match.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bookwell.kit.folding import fold, words_of
from bookwell.library.catalog.errors import IsbnInvalid
from bookwell.library.catalog.isbn import isbn10_of, isbn13_of

__all__ = ["MAX_TITLE_KEY", "SearchTerms", "index_terms", "parse_search", "title_key"]

MAX_TITLE_KEY = 120
_SHORT = "zq"
_AUTHOR = "qz"
_LONGEST = 60
_MOST_WORDS = 24
_INDEXED_LENGTH = 3
# What InnoDB leaves out by default; server variables may change the list, but hardly ever do.
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a about an are as at be by com de en for from how i in is it la of on or that the this to was what when where "
        "who will with und www",
    )
)
_COMPOUND = re.compile(r"\w+(?:[-'’.]\w+)+")
_INITIALS = re.compile(r"\b(?:\w\b[\s.]*){2,}")
_ISBN_LIKE = re.compile(r"(?<![\w-])(?:97[89][ -]?)?(?:\d[ -]?){9}[\dXx](?![\w-])")
_SERIES = re.compile(r"\s*\([^()]*\)\s*$")


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """Words that must all match, and beginnings of which one alternative each must; `phrase` is all of it, folded."""

    words: tuple[str, ...]
    beginnings: tuple[tuple[str, ...], ...] = ()
    phrase: str = ""

    def __bool__(self) -> bool:
        return bool(self.words or self.beginnings)


def title_key(title: str) -> str:
    """What titles are ordered and compared by: folded, without the series in brackets at the end."""
    return (fold(_SERIES.sub("", title)) or fold(title))[:MAX_TITLE_KEY].rstrip()


def index_terms(*, title: str, authors: Sequence[str], subjects: Sequence[str], isbn: str | None) -> str:
    """Every word a book is found by, blank-separated, each once."""
    author_words = [word for author in authors for word in _spellings(author)]
    words: list[Iterable[str]] = [_spellings(title), author_words, *map(_spellings, subjects)]
    terms = [_marked(word) for word in itertools.chain(*words)]
    terms += [_AUTHOR + word[:_LONGEST] for word in author_words]
    if isbn:
        terms += [isbn, (isbn10_of(isbn) or isbn).lower()]
    return " ".join(dict.fromkeys(terms))


def parse_search(q: str = "", *, author: str = "") -> SearchTerms | None:
    """What a search asks for: every word, the last one of `q` and of `author` perhaps only its beginning.

    ISBNs are recognised with and without hyphens; a single letter is a word, never a beginning. None when nothing is
    asked; falsy when nothing can match.
    """
    if not q.strip() and not author.strip():
        return None
    words, rest = _take_isbns(q)
    q_words, author_words = words_of(rest), words_of(author)
    if (rest.strip() and not q_words) or (author.strip() and not author_words):
        return SearchTerms(())
    whole = q_words if q_words and len(q_words[-1]) == 1 else q_words[:-1]
    words += [_marked(word) for word in whole] + [_AUTHOR + word[:_LONGEST] for word in author_words[:-1]]
    beginnings = [_beginnings(word) for word in q_words[len(whole) :]] + [
        (_AUTHOR + word,) for word in author_words[-1:]
    ]
    return SearchTerms(
        tuple(dict.fromkeys(words))[:_MOST_WORDS],
        tuple(tuple(choice[:_LONGEST] for choice in choices) for choices in beginnings),
        " ".join(q_words)[:MAX_TITLE_KEY],
    )


def _beginnings(word: str) -> tuple[str, ...]:
    """How words that begin like this one may look in the index."""
    if len(word) >= _INDEXED_LENGTH and not any(stop.startswith(word) for stop in _STOP_WORDS):
        return (word,)
    return (word, _SHORT + word)


def _marked(word: str) -> str:
    if len(word) < _INDEXED_LENGTH or word in _STOP_WORDS:
        return _SHORT + word
    return word[:_LONGEST]


def _spellings(text: str) -> list[str]:
    """The words of a text, and those that a hyphen, an apostrophe or initials could also be read as."""
    words = words_of(text)
    for compound in _COMPOUND.findall(text):
        parts = words_of(re.sub(r"[-'’.]", " ", compound))
        words += [*parts, "".join(parts)]
    words += ["".join(words_of(initials)) for initials in _INITIALS.findall(text)]
    return [word for word in words if word]


def _take_isbns(q: str) -> tuple[list[str], str]:
    isbns = []
    for candidate in _ISBN_LIKE.findall(q):
        try:
            isbns.append(isbn13_of(candidate))
        except IsbnInvalid:
            continue
        q = q.replace(candidate, " ", 1)
    return isbns, q

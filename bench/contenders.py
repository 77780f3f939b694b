"""What is measured: each contender under a name, with how to ask it once."""

import json
import random
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from bench import words
from bench.library import Books, Library, count_placed, put_back
from bench.load import InvalidRun, Sample, ask
from bench.raw import STRIDE, Reserving, measure_raw
from bench.servers import Site

__all__ = ["Contender", "Placing", "Reading", "raw_contender"]

_PAGE = 50
_SEARCH_ROWS = 20
_BOOKS_READ = 5000
_PAGES_READ = 40
_WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table. `kind` is what `--only` takes; `measure` takes connections and seconds."""

    kind: str
    name: str
    measure: Callable[[int, int], Sample]


def raw_contender(library: Library) -> Contender:
    """The raw transaction, from as many processes as there are connections."""

    def measure(connections: int, seconds: int) -> Sample:
        put_back(library)
        return measure_raw(Reserving(library.url, library.on_shelf, _shift()), processes=connections, seconds=seconds)

    return Contender("raw", "raw transaction, plain driver", measure)


@dataclass(frozen=True, slots=True)
class Placing:
    """Reservations that the readers of a file of tokens ask of a site, each time in a library put back."""

    site: Site
    library: Library
    tokens: Path

    def contender(self, kind: str, name: str, books: Books) -> Contender:
        """Reserve `books` in turn."""
        return Contender(kind, name, lambda connections, seconds: self._measure(books, connections, seconds))

    def _measure(self, books: Books, connections: int, seconds: int) -> Sample:
        put_back(self.library)
        series = ["reserve", str(self.tokens), str(books.first), str(books.count), str(STRIDE)]
        shift, prefix = str(_shift()), token_hex(8)
        warm = ask(self.site.url, *series, "0", shift, prefix, connections=connections, seconds=_WARM_UP_SECONDS)
        start = str(warm.next_index)
        sample = ask(self.site.url, *series, start, shift, prefix, connections=connections, seconds=seconds)
        if count_placed(self.library) < sample.rate * seconds * 0.99:
            raise InvalidRun("there are more answers than reservations")
        return sample


@dataclass(frozen=True, slots=True)
class Reading:
    """Addresses read in turn from a site; `folder` keeps the lists of them."""

    site: Site
    folder: Path

    def contender(self, kind: str, name: str, paths: Sequence[str]) -> Contender:
        """Read `paths`, which must all answer 200 with something in it."""
        file = self.folder / f"{token_hex(4)}.paths"
        file.write_text("\n".join(paths) + "\n")
        for path in paths[:3]:
            self._fetch(path)
        return Contender(kind, name, lambda connections, seconds: self._measure(file, connections, seconds))

    def of_library(self, library: Library, kinds: frozenset[str], label: str) -> Iterator[Contender]:
        """A book, a page, and searches by how many books they find; those of `kinds`, with `label` on their names."""
        choice = random.Random(2)  # noqa: S311 -- the same books each time
        share, common = library.books // words.SHARE_ONE_IN, library.books // words.COMMON_ONE_IN
        lists: list[tuple[str, str, Callable[[], Sequence[str]]]] = [
            ("book", "reading a book", lambda: _books(choice, library.books)),
            ("page", f"a page of {_PAGE} books", lambda: list(self._pages())),
            ("search", f"search, {words.FEW_BOOKS} found", lambda: _searches(words.FEW)),
            ("share", f"search, 1 in {words.SHARE_ONE_IN} found: {share:,}", lambda: _searches(words.SHARE)),
            ("common", f"search, 1 in {words.COMMON_ONE_IN} found: {common:,}", lambda: _searches(words.COMMON)),
        ]
        for kind, name, paths in lists:
            if kind in kinds:
                yield self.contender(kind, name + label, paths())

    def _pages(self) -> Iterator[str]:
        path: str | None = f"/api/books/?limit={_PAGE}"
        for _ in range(_PAGES_READ):
            if path is None:
                return
            yield path
            path = self._fetch(path)["next"]

    def _fetch(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self.site.url + path, timeout=60) as answer:  # noqa: S310 -- our own loopback address
            content: dict[str, Any] = json.load(answer)
        if not content.get("items", True):
            raise InvalidRun(f"{path} finds nothing")
        return content

    def _measure(self, file: Path, connections: int, seconds: int) -> Sample:
        ask(self.site.url, "read", str(file), connections=connections, seconds=_WARM_UP_SECONDS)
        return ask(self.site.url, "read", str(file), connections=connections, seconds=seconds)


def _books(choice: random.Random, count: int) -> list[str]:
    return [f"/api/books/{choice.randrange(count) + 1}/" for _ in range(_BOOKS_READ)]


def _searches(terms: Sequence[str]) -> list[str]:
    return [f"/api/books/?q={term}&limit={_SEARCH_ROWS}" for term in terms]


def _shift() -> int:
    """Readers meet other books each time, so that the database cannot trip over rows that were deleted before."""
    return random.randrange(10_000)  # noqa: S311 -- no secret

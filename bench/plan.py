"""Which contenders a run has, and the targets that their ratios must meet."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import service
from bench.contenders import Contender, Placing, Reading, raw_contender
from bench.library import Library, fill
from bench.report import Target
from bench.rounds import Result
from bench.servers import Site, running_site
from tests.infrastructure import new_database

__all__ = ["KINDS", "MESSAGES", "PARTNERS", "TABLES", "Filled", "Stage", "by_label", "scale_targets", "speed_targets"]

MESSAGES = "messages"
PARTNERS = "partners"
TABLES = "tables"
KINDS = (
    "bare",
    "raw",
    "lean",
    "place",
    "queue",
    "book",
    "page",
    "search",
    "share",
    "common",
    MESSAGES,
    PARTNERS,
    TABLES,
)
_BARE = "bare Django view"
_BARE_SYNC = "bare Django view, gunicorn sync"
_LEAN = "lean: raw transaction in a bare view"
_PLACE = "placing a reservation"
_QUEUE_EMPTY = "placing, nobody waits"
_QUEUE_LONG = "placing behind 1 000 readers"
_BOOK = "reading a book"
_PAGE = "a page of 50 books"
_BARE_SITE = "bench.bare_site:application"
_PROBE = "/health/ready"


@dataclass(frozen=True, slots=True)
class Filled:
    """A library with what a service on it needs."""

    library: Library
    env: Mapping[str, str]
    tokens: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a run happens: a database server, a folder for files, the kinds that were asked for."""

    database_url: str
    folder: Path
    kinds: frozenset[str]
    stack: ExitStack

    def library(self, books: int) -> Filled:
        """A migrated and filled database of its own, its placing readers logged in."""
        folder = self.folder / f"library-{books}"
        folder.mkdir()
        url = new_database(self.database_url)
        env = service.environment(url, folder)
        service.migrate(env)
        library = fill(url, books)
        service.make_tokens(env, folder / "tokens")
        return Filled(library, env, folder / "tokens")

    def ceilings(self, server: str, filled: Filled) -> Iterator[Contender]:
        """What the machine could: the bare view, the raw transaction, and both together."""
        if "bare" in self.kinds:
            sync = self._site("gunicorn-sync", _BARE_SITE, filled, "/bare/")
            yield self._reading(sync).contender("bare", _BARE_SYNC, ["/bare/"])
        if self.kinds & {"bare", "lean"}:
            site = self._site(server, _BARE_SITE, filled, "/bare/")
            if "bare" in self.kinds:
                yield self._reading(site).contender("bare", f"{_BARE}, {server}", ["/bare/"])
            if "lean" in self.kinds:
                yield _placing(site, filled).contender("lean", _LEAN, filled.library.on_shelf)
        if "raw" in self.kinds:
            yield raw_contender(filled.library)

    def service(self, server: str, filled: Filled, *, label: str = "") -> Iterator[Contender]:
        """The real thing, with every guarantee on; `label` ends the names, to tell two sizes apart."""
        if not self.kinds - {"bare", "raw", "lean", MESSAGES}:
            return
        site = self._site(server, service.APPLICATION, filled, _PROBE)
        placing, library = _placing(site, filled), filled.library
        if "place" in self.kinds:
            yield placing.contender("place", _PLACE + label, library.on_shelf)
        if "queue" in self.kinds:
            yield placing.contender("queue", _QUEUE_EMPTY + label, library.lent)
            yield placing.contender("queue", _QUEUE_LONG + label, library.queued)
        yield from self._reading(site).of_library(library, self.kinds, label)

    def under(self, server: str, filled: Filled) -> Iterator[Contender]:
        """The bare site and the service under one of several servers."""
        site = self._site(server, _BARE_SITE, filled, "/bare/")
        if "bare" in self.kinds:
            yield self._reading(site).contender("bare", f"bare view, {server}", ["/bare/"])
        if "lean" in self.kinds:
            yield _placing(site, filled).contender("lean", f"lean, {server}", filled.library.on_shelf)
        yield from self.service(server, filled, label=f", {server}")

    def _site(self, server: str, app: str, filled: Filled, probe: str) -> Site:
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}-{server}.log"
        return self.stack.enter_context(running_site(server, app, env=filled.env, log=log, probe=probe))

    def _reading(self, site: Site) -> Reading:
        return Reading(site, self.folder)


def _placing(site: Site, filled: Filled) -> Placing:
    return Placing(site, filled.library, filled.tokens)


def speed_targets(rates: Mapping[str, float]) -> Iterator[Target]:
    """The targets of `make bench`, as far as their rows were measured."""
    yield from _share("placing / lean", rates, _PLACE, _LEAN, 0.5)
    if _BOOK in rates:
        yield Target("reading a book, a second (this or the next)", rates[_BOOK], 2500)
    yield from _share("reading a book / bare view, sync", rates, _BOOK, _BARE_SYNC, 0.25)
    yield from _share("a page of 50 / bare view, sync", rates, _PAGE, _BARE_SYNC, 0.15)
    # Two equal contenders differ by some hundredths from run to run.
    yield from _share("placing behind 1 000 / nobody waits", rates, _QUEUE_LONG, _QUEUE_EMPTY, 0.95)


def _share(name: str, rates: Mapping[str, float], part: str, whole: str, wanted: float) -> Iterator[Target]:
    if part in rates and whole in rates:
        yield Target(name, rates[part] / rates[whole], wanted)


def scale_targets(small: Mapping[str, float], large: Mapping[str, float]) -> Iterator[Target]:
    """How many times slower each row is in the large library; searches of other selectivity stand in the table."""
    for name, rate in small.items():
        if name in large:
            yield Target(f"{name}: times slower", rate / large[name], 1.5, is_at_most=True)


def by_label(results: Sequence[Result], label: str, connections: int) -> dict[str, float]:
    """Rates of the rows that end with `label`, by their names without it."""
    return {
        result.contender.name.removesuffix(label): result.rate
        for result in results
        if result.contender.name.endswith(label) and result.connections == connections
    }

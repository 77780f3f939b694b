"""Everything between a library's commit and a reader's mail, as processes of its own: databases, broker, programs.

The programs are the product's own commands, started as a user starts them. Their patience is shortened, so that what
was lost comes again within seconds; nothing else differs.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from bookwell.cli.processes import spawn
from bookwell.kit.adapters.sqlalchemy.engines import engine_of
from tests.e2e.embedded import wait_until
from tests.infrastructure import drop_database, new_database, running_servers
from tests.infrastructure.servers import OwnServer, killable_server
from tests.mail_sink import MailSink
from tests.messages.ledger import Ledger
from tests.messages.parts import Part

__all__ = ["IMPATIENT", "Site", "add_programs", "add_writer", "embedded_site", "site_at_a_broker", "site_on_a_broker"]

_MAIN = "bookwell.cli.main"
IMPATIENT = {
    "BOOKWELL_OUTBOX_GAP_SECONDS": "3",
    "BOOKWELL_OUTBOX_LEASE_SECONDS": "3",
    "BOOKWELL_SMTP_DEADLINE_SECONDS": "3",
    "BOOKWELL_MAIL_LEASE_SECONDS": "5",
}


@dataclass
class Site:
    """Databases by URL, a mail sink, and the programs by name."""

    folder: Path
    environment: dict[str, str]
    sink: MailSink
    parts: dict[str, Part] = field(default_factory=dict)
    broker: OwnServer | None = None

    @property
    def ledger(self) -> Ledger:
        """What the writer noted."""
        return Ledger(self.folder / "ledger.jsonl")

    @cached_property
    def library(self) -> Engine:
        """The library's database."""
        return engine_of(self.environment["BOOKWELL_LIBRARY_DATABASE_URL"])

    @cached_property
    def notifier(self) -> Engine:
        """The notifier's database."""
        return engine_of(self.environment["BOOKWELL_NOTIFIER_DATABASE_URL"])

    def add(self, name: str, module: str, *arguments: str) -> None:
        """A program that `start` starts."""
        command = [sys.executable, "-m", module, *arguments]
        self.parts[name] = Part(name, command, self.environment, self.folder / f"{name}.log")

    def prepare(self) -> None:
        """Make the tables."""
        self.run("bookwell.cli.main", "migrate")

    def run(self, module: str, *arguments: str, expected: int = 0) -> None:
        """Run a program until it ends with that status."""
        log = self.folder / "run.log"
        with log.open("ab") as stream:
            child = spawn([sys.executable, "-m", module, *arguments], env=self.environment, output=stream)
            status = child.wait(120)
        assert status == expected, log.read_text()[-4000:]

    def start(self) -> None:
        """Start all that does not run."""
        for part in self.parts.values():
            part.start()

    def stop(self) -> None:
        """End everything at once."""
        for part in self.parts.values():
            part.kill()
        self.sink.kill()
        for engine in (self.library, self.notifier):
            engine.dispose()

    def rows(self) -> list[dict[str, Any]]:
        """The library's outbox."""
        return _rows(self.library, "SELECT * FROM outbox ORDER BY id")

    def deliveries(self) -> list[dict[str, Any]]:
        """The notifier's deliveries."""
        return _rows(self.notifier, "SELECT * FROM delivery")

    def is_settled(self) -> bool:
        """Whether nothing is under way any more."""
        undone = _rows(self.library, "SELECT count(*) AS number FROM outbox WHERE done_at IS NULL")
        moving = "SELECT count(*) AS number FROM delivery WHERE state IN ('queued', 'sending')"
        return not undone[0]["number"] and not _rows(self.notifier, moving)[0]["number"]

    def settle(self, *, seconds: float) -> None:
        """Wait until nothing is under way any more.

        Raises:
            AssertionError: if something still is, after so long; says what.
        """
        try:
            wait_until(self.is_settled, seconds=seconds)
        except TimeoutError:
            rows = [row for row in self.rows() if row["done_at"] is None]
            moving = [row for row in self.deliveries() if row["state"] in ("queued", "sending")]
            raise AssertionError(f"not settled: {rows[:3]} {moving[:3]}\n{self._log_tails()}") from None

    def _log_tails(self) -> str:
        logs = [part.log for part in self.parts.values() if part.log.exists()]
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


@contextmanager
def site_on_a_broker(
    folder: Path, *, broker: str, database: str, database_url: str = "", settings: Mapping[str, str] = IMPATIENT
) -> Iterator[Site]:
    """A site of `site_at_a_broker` with a broker of that kind of its own, which is running and can be killed."""
    with killable_server(broker) as server:
        server.start()
        url = server.launch.url
        with site_at_a_broker(folder, url, database=database, database_url=database_url, settings=settings) as site:
            site.broker = server
            yield site


@contextmanager
def site_at_a_broker(
    folder: Path, broker_url: str, *, database: str, database_url: str = "", settings: Mapping[str, str] = IMPATIENT
) -> Iterator[Site]:
    """Databases of its own and the sink; programs are added by the caller.

    The databases are made beside that of `database_url`, else on a server of the kind `database`.
    """
    with ExitStack() as stack:
        given = database_url or stack.enter_context(running_servers([database]))[database].url
        urls = [new_database(given) for _ in range(2)]
        for url in urls:
            stack.callback(drop_database, url)
        site = _site(folder, settings, library=urls[0], notifier=urls[1], broker_url=broker_url)
        stack.callback(site.stop)
        site.prepare()
        site.sink.start()
        yield site


@contextmanager
def embedded_site(folder: Path, *, settings: Mapping[str, str] = IMPATIENT) -> Iterator[Site]:
    """SQLite files, the background process, and the sink."""
    urls = [f"sqlite:///{folder / name}.sqlite3" for name in ("library", "notifier")]
    site = _site(folder, settings, library=urls[0], notifier=urls[1])
    try:
        site.prepare()
        site.sink.start()
        site.add("background", "bookwell.cli.background", str(folder / "background-is-ready"), "library", "notifier")
        yield site
    finally:
        site.stop()


def _site(folder: Path, settings: Mapping[str, str], *, library: str, notifier: str, broker_url: str = "") -> Site:
    sink = MailSink(folder / "sink")
    sink.behave()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    own = {
        "BOOKWELL_DATA_DIR": str(folder),
        "BOOKWELL_SECRET_KEY": "only-for-tests-" * 4,
        "BOOKWELL_LIBRARY_DATABASE_URL": library,
        "BOOKWELL_NOTIFIER_DATABASE_URL": notifier,
        "BOOKWELL_BROKER_URL": broker_url,
        "BOOKWELL_SMTP_URL": sink.url,
        "BOOKWELL_MAIL_FROM": "Library <library@example.org>",
    }
    return Site(folder, inherited | own | dict(settings), sink)


def add_programs(site: Site, *, relays: int = 1, workers: int = 1, schedulers: int = 1) -> None:
    """The commands of a production."""
    for number in range(relays):
        site.add(f"relay{number}", _MAIN, "relay")
    for number in range(workers):
        site.add(f"worker{number}", _MAIN, "worker", "mail", "library")
        site.parts[f"worker{number}"].may_fail = 3
    for number in range(schedulers):
        site.add(f"scheduler{number}", _MAIN, "scheduler")


def add_writer(site: Site, *, events: int, pause: float, seed: str) -> None:
    """The library that has so much to tell."""
    options = [f"--events={events}", f"--pause={pause}", f"--seed={seed}"]
    site.add("writer", "tests.messages.writing", str(site.ledger.file), *options)


def _rows(engine: Engine, statement: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(statement)).mappings()]

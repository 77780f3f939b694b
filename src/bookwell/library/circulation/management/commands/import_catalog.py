"""`bookwell import FILE`: a catalogue from CSV or MARC21."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.audit.services import SYSTEM
from bookwell.library.catalog.errors import ControlNumberTaken, IsbnTaken
from bookwell.library.catalog.importing.csv_source import HeaderUnknown, read_csv
from bookwell.library.catalog.importing.marc_source import read_marc
from bookwell.library.catalog.importing.pipeline import Summary, import_records
from bookwell.library.catalog.importing.records import Record, Rejection
from bookwell.library.catalog.importing.report import Report
from bookwell.library.catalog.importing.store import Plan, plan_records
from bookwell.library.circulation.services.books import import_books

__all__ = ["Command"]

_READERS: dict[str, Callable[[IO[bytes]], Iterator[Record | Rejection]]] = {"csv": read_csv, "marc": read_marc}
_MARC_LEADER_LENGTH = 5
_RACES = 3


class Command(BaseCommand):
    """Reads a file as a stream and stores it in batches; may be stopped and run again at any time."""

    requires_system_checks: list[str] = []
    help = (
        "Import a catalogue. CSV (UTF-8, a header with `title` and any of authors, isbn, isbn13, publisher, year, "
        "language, subjects, description, control_number, popularity; or goodbooks-10k's books.csv) or MARC21 "
        "(UTF-8 or MARC-8). Books are known by control number and ISBN, so importing a file again changes only what "
        "differs. Rows that cannot be imported go to a report with line and reason."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Django's hook."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="tell what would happen and change nothing")
        parser.add_argument("--report", type=Path, help="where rejected rows go (default: ./FILE.rejected.csv)")
        parser.add_argument("--format", choices=sorted(_READERS), help="default: by the file's content")

    def handle(self, *, file: Path, dry_run: bool, report: Path | None, **options: Any) -> None:
        """Import the file and say how its rows ended."""
        if "book_search" not in connection.introspection.table_names():
            raise CommandError("The database has no tables yet: run `bookwell library migrate` first.")
        try:
            stream = file.open("rb")
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
        with stream, Report(report or Path(f"{file.name}.rejected.csv")) as rejects:
            read = _READERS[options["format"] or _format_of(stream)]
            try:
                with _bar(stream) as progress:
                    summary = import_records(
                        read(stream), store=_plan_only if dry_run else _store, reject=rejects.add, progress=progress
                    )
            except HeaderUnknown as error:
                raise CommandError(f"{file}: {error}") from error
        self.stdout.write(_sentence(summary, is_dry_run=dry_run))
        if summary.rejected:
            self.stdout.write(f"The rejected rows and why: {rejects.path}")


def _store(records: list[Record]) -> Plan:
    """One batch, in one transaction; compared again when somebody else has catalogued one of its books meanwhile."""
    for attempt in range(1, _RACES + 1):
        try:
            return run_in_transaction(lambda: import_books(records, actor_id=SYSTEM, now=clock.now()))
        except (IsbnTaken, ControlNumberTaken):
            if attempt == _RACES:
                raise
    raise AssertionError("unreachable")


def _plan_only(records: list[Record]) -> Plan:
    return plan_records(records)


def _format_of(stream: IO[bytes]) -> str:
    """A MARC record begins with its length; no header of a CSV file begins with five digits."""
    start = stream.read(_MARC_LEADER_LENGTH)
    stream.seek(0)
    return "marc" if len(start) == _MARC_LEADER_LENGTH and start.isdigit() else "csv"


@contextmanager
def _bar(stream: IO[bytes]) -> Iterator[Callable[[Summary], None]]:
    """A progress bar over the file's bytes, where there is a terminal."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("importing", total=stream.seek(0, io.SEEK_END))
        stream.seek(0)

        def advance(summary: Summary) -> None:
            description = f"{summary.rows:,} rows, {summary.rejected:,} rejected"
            bar.update(task, completed=stream.tell(), description=description)

        yield advance


def _sentence(summary: Summary, *, is_dry_run: bool) -> str:
    counts = (
        f"{summary.rows} rows: {summary.created} created, {summary.changed} changed, "
        f"{summary.unchanged} unchanged, {summary.rejected} rejected."
    )
    return f"Nothing was changed. It would be {counts}" if is_dry_run else counts

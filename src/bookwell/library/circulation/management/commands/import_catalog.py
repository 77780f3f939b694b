"""`bookwell import FILE`: a catalogue from CSV or MARC21."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, DataError, connection
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.errors import DomainError
from bookwell.library.audit.services import SYSTEM
from bookwell.library.catalog.errors import BookNotFound, ControlNumberTaken, IsbnTaken
from bookwell.library.catalog.importing.csv_source import HeaderUnknown, read_csv
from bookwell.library.catalog.importing.marc_source import read_marc
from bookwell.library.catalog.importing.pipeline import Summary, import_records
from bookwell.library.catalog.importing.records import Record, Rejection
from bookwell.library.catalog.importing.report import Report, ReportUnwritable
from bookwell.library.catalog.importing.store import Plan, plan_records
from bookwell.library.circulation.services.books import import_books

__all__ = ["Command"]

_Reader = Callable[[IO[bytes]], Iterator[Record | Rejection]]
_READERS: dict[str, _Reader] = {"csv": read_csv, "marc": read_marc}
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
        parser.add_argument(
            "--report",
            type=Path,
            help="where rejected rows go (default: ./FILE.rejected.csv, of a dry run ./FILE.rejected.dry-run.csv)",
        )
        parser.add_argument("--format", choices=sorted(_READERS), help="default: by the file's content")

    def handle(self, *, file: Path, dry_run: bool, report: Path | None, **options: Any) -> None:
        """Import the file and say how its rows ended."""
        if "book_search" not in connection.introspection.table_names():
            raise CommandError("The database has no tables yet: run `bookwell library migrate` first.")
        try:
            stream = file.open("rb")
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}") from error
        place = report or Path(f"{file.name}.rejected{'.dry-run' if dry_run else ''}.csv")
        store = plan_records if dry_run else _store
        try:
            with stream, Report(place, source=file) as rejects:
                read = _READERS[options["format"] or _format_of(stream)]
                summary = _import(stream, read, store, rejects)
        except HeaderUnknown as error:
            raise CommandError(f"{file}: {error}") from error
        except ReportUnwritable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_sentence(summary, is_dry_run=dry_run))
        if summary.rejected:
            self.stdout.write(f"The rejected rows and why: {rejects.path}")


def _import(stream: IO[bytes], read: _Reader, store: Callable[[list[Record]], Plan], rejects: Report) -> Summary:
    """Everything, with a bar; a database that fails ends it with a sentence instead of a traceback.

    Raises:
        HeaderUnknown, CommandError
    """
    rows = 0

    def advance(summary: Summary) -> None:
        nonlocal rows
        rows = summary.rows
        progress(summary)

    try:
        with _bar(stream) as progress:
            return import_records(read(stream), store=store, reject=rejects.add, progress=advance)
    except (DatabaseError, DomainError) as error:
        reason = str(error).rstrip(".")
        raise CommandError(
            f"The database failed after {rows} rows: {reason}. Run it again to go on from there."
        ) from error


def _store(records: list[Record]) -> Plan:
    """One batch, in one transaction; when the database does not take a value of it, all records but that value's."""
    try:
        return _store_all(records)
    except DataError as error:
        if len(records) == 1:
            (record,) = records
            reason = str(error.args[-1] if error.args else error).splitlines()[0]
            return Plan(rejected=[Rejection(record.line, "database", reason, record.data.title)])
    middle = len(records) // 2
    first, second = _store(records[:middle]), _store(records[middle:])
    return Plan(
        new=first.new + second.new,
        changed=first.changed + second.changed,
        unchanged=first.unchanged + second.unchanged,
        rejected=first.rejected + second.rejected,
    )


def _store_all(records: list[Record]) -> Plan:
    """Compared again when somebody else has catalogued or withdrawn one of the batch's books meanwhile."""
    for attempt in range(1, _RACES + 1):
        try:
            return run_in_transaction(lambda: import_books(records, actor_id=SYSTEM, now=clock.now()))
        except (IsbnTaken, ControlNumberTaken, BookNotFound):
            if attempt == _RACES:
                raise
    raise AssertionError("unreachable")


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

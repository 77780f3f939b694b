import io
import itertools
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connections
from stdnum import ean

from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Holding
from tests.concurrency.killing import COMMIT, THREADS_ARE_NO_MATTER, End, run_in_child_and_kill
from tests.concurrency.library.telling import telling
from tests.factories import unique

_ROWS = 4000
_BATCH = 500
_SLOWED_IMPORT = """
import sys, time
import django
django.setup()
from django.core.management import call_command
from bookwell.library.circulation.management.commands import import_catalog
store = import_catalog._store
def slow(records):
    plan = store(records)
    print("stored", flush=True)
    time.sleep(0.2)
    return plan
import_catalog._store = slow
call_command("import_catalog", sys.argv[1])
"""


@pytest.mark.parametrize("batches", [1, 3])
def test_import__killed_and_run_again__ends_as_if_it_had_not_been(
    batches: int, committed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = unique("killed")
    file = tmp_path / "books.csv"
    rows = (f"{source}:{n},Title {n},A {n % 7},{n % 90 + 1900}\n" for n in range(_ROWS))
    file.write_text("control_number,title,authors,year\n" + "".join(rows))
    _import_and_kill(file, committed, after=batches)
    books = Book.objects.filter(control_number__startswith=source)
    stored = books.count()

    out = io.StringIO()
    call_command("import_catalog", str(file), stdout=out)

    assert batches * _BATCH <= stored < _ROWS
    assert stored % _BATCH == 0
    assert f"{_ROWS} rows: {_ROWS - stored} created, 0 changed, {stored} unchanged, 0 rejected." in out.getvalue()
    assert books.count() == Holding.objects.filter(book__in=books).count() == _ROWS
    assert set(books.values_list("version", flat=True)) == {1}


def _import_and_kill(file: Path, url: str, *, after: int) -> None:
    """Import in a process of its own, which is killed once so many batches are stored."""
    settings = "bookwell.library.config.settings"
    environment = os.environ | {"BOOKWELL_LIBRARY_DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": settings}
    command = [sys.executable, "-c", _SLOWED_IMPORT, str(file)]
    with subprocess.Popen(  # noqa: S603 -- our own command
        command, env=environment, stdout=subprocess.PIPE, text=True, cwd=file.parent
    ) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(after)] == ["stored\n"] * after
        child.send_signal(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class _Import:
    """An import of a file of one batch: two books of an earlier one that swap their ISBNs, and two new ones."""

    file: Path
    source: str

    def run(self) -> str:
        out = io.StringIO()
        call_command("import_catalog", str(self.file), stdout=out)
        return out.getvalue()

    def close_connections(self) -> None:
        connections.close_all()

    def live(self, end: End) -> None:
        with telling(end):
            self.run()

    def look(self) -> dict[str, Any]:
        books = Book.objects.filter(control_number__startswith=self.source)
        return {
            "books": list(books.order_by("pk").values()),
            "holdings": Holding.objects.filter(book__in=books).count(),
            "audit": AuditEntry.objects.count(),
        }


@pytest.mark.filterwarnings(THREADS_ARE_NO_MATTER)
@pytest.mark.usefixtures("committed")
def test_import__killed_behind_any_statement__a_batch_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in itertools.count(1):
        case = _an_import(tmp_path)
        before = case.look()

        said = run_in_child_and_kill(case, after=number)

        left = case.look()
        assert said[-1] == COMMIT or left == before, said
        counts = "0 created, 0 changed, 4 unchanged" if said[-1] == COMMIT else "2 created, 2 changed, 0 unchanged"
        assert counts in case.run()
        assert (len(case.look()["books"]), case.look()["holdings"]) == (4, 4)
        if said[-1] == COMMIT:
            break
    assert number > 8, said


def _an_import(folder: Path) -> _Import:
    source, header = unique("batch"), "control_number,title,authors,isbn\n"
    isbns = [_new_isbn(), _new_isbn()]
    case = _Import(folder / "books.csv", source)
    case.file.write_text(header + f"{source}:1,One,A,{isbns[0]}\n{source}:2,Two,A,{isbns[1]}\n")
    case.run()
    swapped = f"{source}:1,One,A,{isbns[1]}\n{source}:2,Two,A,{isbns[0]}\n"
    case.file.write_text(header + swapped + f"{source}:3,Three,A,\n{source}:4,Four,A,\n")
    return case


def _new_isbn() -> str:
    digits = f"978{uuid4().int % 10**9:09}"
    return digits + ean.calc_check_digit(digits)

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Holding
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

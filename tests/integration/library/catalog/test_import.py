"""Importing a file: what it makes, what it changes, and what it leaves alone."""

import io
import itertools
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.failures import DatabaseUnavailable
from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.errors import BookNotFound
from bookwell.library.catalog.importing.csv_source import read_csv
from bookwell.library.catalog.importing.records import Record
from bookwell.library.catalog.importing.store import Plan, plan_records, write_plan_in_tx
from bookwell.library.catalog.models import Book
from bookwell.library.catalog.rules import BookData
from bookwell.library.circulation.management.commands import import_catalog
from bookwell.library.circulation.models import Holding
from bookwell.library.circulation.services.books import add_book, import_books, remove_book

pytestmark = pytest.mark.django_db

_HEADER = "control_number,title,authors,isbn,year\n"
_SYSTEM = 0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _import(folder: Path, rows: str, *options: str) -> str:
    file = folder / "books.csv"
    file.write_text(_HEADER + rows, encoding="utf-8")
    out = io.StringIO()
    call_command("import_catalog", str(file), *options, stdout=out)
    return out.getvalue()


def _state() -> list[tuple[object, ...]]:
    return list(Book.objects.order_by("id").values_list())


_ROWS = "1,One,A. Author,0439023483,1999\n2,Two,B,,\n3,Three,C,439023483,\n4,Four,D,812971060,\n2,Five,E,,\n"


def test_import__rows_good_and_bad__keeps_the_good_and_reports_the_bad(folder: Path) -> None:
    said = _import(folder, _ROWS)

    assert "5 rows: 2 created, 0 changed, 0 unchanged, 3 rejected." in said
    assert dict(Book.objects.values_list("title", "isbn")) == {"One": "9780439023481", "Two": None}
    assert Holding.objects.filter(book__title__in=["One", "Two"], copies_total=0).count() == 2
    report = (folder / "books.csv.rejected.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in report] == [
        ["line", "code"],
        ["4", "duplicate"],
        ["5", "isbn_invalid"],
        ["6", "duplicate"],
    ]


def test_import__second_time__changes_nothing(folder: Path) -> None:
    _import(folder, _ROWS)
    before, audited = _state(), AuditEntry.objects.count()

    said = _import(folder, _ROWS)

    assert "0 created, 0 changed, 2 unchanged, 3 rejected." in said
    assert _state() == before
    assert AuditEntry.objects.count() == audited


def test_import__record_has_changed__changes_its_book_alone(folder: Path) -> None:
    _import(folder, "1,One,A,0439023483,1999\n2,Two,B,,\n")
    ids = dict(Book.objects.values_list("control_number", "id"))

    said = _import(folder, "1,One and a half,A,,2001\n2,Two,B,,\n")

    assert "0 created, 1 changed, 1 unchanged" in said
    book = Book.objects.get(control_number="1")
    assert (book.pk, book.title, book.isbn, book.year, book.version) == (ids["1"], "One and a half", None, 2001, 2)
    assert Book.objects.get(control_number="2").version == 1


def test_import__librarian_has_corrected_a_book__keeps_the_correction(folder: Path) -> None:
    _import(folder, "1,One,A,,\n")
    Book.objects.filter(control_number="1").update(title="Corrected")

    _import(folder, "1,One,A,,\n")

    assert Book.objects.get(control_number="1").title == "Corrected"


def test_import__isbn_was_catalogued_by_hand__leaves_that_book(folder: Path) -> None:
    data = BookData("By hand", ["A"], "0439023483")
    run_in_transaction(lambda: add_book(data=data, actor_id=_SYSTEM, now=clock.now()))

    said = _import(folder, "1,One,A,9780439023481,\n")

    assert "0 created, 0 changed, 1 unchanged" in said
    assert Book.objects.get(isbn="9780439023481").title == "By hand"


def test_import__new_isbn_belongs_to_another_book__is_rejected(folder: Path) -> None:
    _import(folder, "1,One,A,0439023483,\n2,Two,B,,\n")

    said = _import(folder, "2,Two,B,0439023483,\n")

    assert "1 rejected" in said
    assert Book.objects.get(control_number="2").isbn is None


_X, _Y, _Z = "9780439023481", "9780812971064", "9780306406157"


@pytest.mark.parametrize(
    ("before", "after", "said", "isbns"),
    [
        (f"1,One,A,{_X},\n", f"1,One,A,{_Y},\n2,Two,B,{_X},\n", "1 created, 1 changed", {"1": _Y, "2": _X}),
        (f"1,One,A,{_X},\n", f"2,Two,B,{_X},\n1,One,A,,\n", "1 created, 1 changed", {"1": None, "2": _X}),
        (
            f"1,One,A,{_X},\n2,Two,B,{_Y},\n",
            f"1,One,A,{_Y},\n2,Two,B,{_X},\n",
            "0 created, 2 changed",
            {"1": _Y, "2": _X},
        ),
        (
            f"1,One,A,{_X},\n2,Two,B,{_Y},\n3,Three,C,{_Z},\n",
            f"1,One,A,{_Y},\n2,Two,B,{_Z},\n",
            "0 created, 0 changed, 0 unchanged, 2 rejected",
            {"1": _X, "2": _Y, "3": _Z},
        ),
    ],
)
def test_import__isbns_move_between_the_books_of_a_file__as_the_file_says(
    before: str, after: str, said: str, isbns: dict[str, str | None], folder: Path
) -> None:
    _import(folder, before)

    first = _import(folder, after)

    assert said in first
    assert dict(Book.objects.values_list("control_number", "isbn")) == isbns
    state = _state()
    assert "0 created, 0 changed" in _import(folder, after)
    assert _state() == state


def test_import__withdrawn_book__comes_back_as_a_new_one(folder: Path) -> None:
    _import(folder, "1,One,A,0439023483,\n")
    old = Book.objects.get(control_number="1")
    run_in_transaction(lambda: remove_book(book_id=old.pk, actor_id=_SYSTEM, now=clock.now()))

    _import(folder, "1,One,A,0439023483,\n")

    assert Book.objects.get(control_number="1").pk != old.pk


def test_import__dry_run__tells_and_changes_nothing(folder: Path) -> None:
    said = _import(folder, _ROWS, "--dry-run", "--report", str(folder / "why.csv"))

    assert "Nothing was changed. It would be 5 rows: 2 created" in said
    assert not Book.objects.exists()
    assert (folder / "why.csv").read_text().count("\n") == 4


def test_import__dry_run__keeps_the_last_report(folder: Path) -> None:
    report = folder / "books.csv.rejected.csv"
    report.write_text("from an earlier run")

    said = _import(folder, _ROWS, "--dry-run")

    assert report.read_text() == "from an earlier run"
    assert "books.csv.rejected.dry-run.csv" in said
    assert (folder / "books.csv.rejected.dry-run.csv").read_text().count("\n") == 4


def test_import__unknown_header__keeps_the_last_report(folder: Path) -> None:
    (folder / "books.csv").write_text("name\nT\n")
    report = folder / "books.csv.rejected.csv"
    report.write_text("from an earlier run")

    with pytest.raises(CommandError, match="title"):
        call_command("import_catalog", "books.csv")

    assert report.read_text() == "from an earlier run"
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["books.csv", "link.csv", "../{}/books.csv"])
def test_import__report_is_the_source__is_refused(folder: Path, name: str) -> None:
    (folder / "link.csv").symlink_to("books.csv")

    with pytest.raises(CommandError, match="the file itself"):
        _import(folder, _ROWS, "--report", name.format(folder.name))

    assert (folder / "books.csv").read_text() == _HEADER + _ROWS
    assert not Book.objects.exists()


@pytest.mark.parametrize("name", ["missing/why.csv", "taken"])
def test_import__report_cannot_be_written__is_refused(folder: Path, name: str) -> None:
    (folder / "taken").mkdir()

    with pytest.raises(CommandError, match="report"):
        _import(folder, _ROWS, "--report", name)

    assert not Book.objects.exists()


def test_import__draft_of_the_report_would_be_the_source__is_refused(folder: Path) -> None:
    (folder / "books.csv.draft").write_text("title\nT\nT\n")

    with pytest.raises(CommandError, match="the file itself"):
        call_command("import_catalog", "books.csv.draft", "--report", "books.csv")

    assert (folder / "books.csv.draft").read_text() == "title\nT\nT\n"


def test_import__longest_record__is_kept(folder: Path) -> None:
    names = "|".join(" ".join(f"{author:03}{word:02}żóżó" for word in range(20)) for author in range(200))

    said = _import(folder, f"1,One,{names},,\n")

    assert "1 created" in said
    assert len(Book.objects.get().authors) == 200


def test_import__database_takes_a_record_not__rejects_that_one_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stores_all_but_three(records: list[Record], **of: Any) -> Plan:
        if any(record.control_number == "3" for record in records):
            raise DataError("too long for its column")
        return import_books(records, **of)

    monkeypatch.setattr(import_catalog, "import_books", stores_all_but_three)

    said = _import(folder, "1,One,A,,\n2,Two,B,,\n3,Three,C,,\n4,Four,D,,\n5,Five,E,,\n")

    assert "5 rows: 4 created, 0 changed, 0 unchanged, 1 rejected." in said
    assert not Book.objects.filter(title="Three").exists()
    report = (folder / "books.csv.rejected.csv").read_text().splitlines()
    assert report[1:] == ["4,database,too long for its column,Three"]


@pytest.mark.parametrize("error", [OperationalError("disk full"), DatabaseUnavailable("gone")])
def test_import__database_fails__says_so_and_how_far_it_came(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    batches = itertools.count()

    def fails_later(records: list[Record], **of: Any) -> Plan:
        if next(batches):
            raise error
        return import_books(records, **of)

    monkeypatch.setattr(import_catalog, "import_books", fails_later)

    with pytest.raises(CommandError, match=r"after 500 rows.*Run it again"):
        _import(folder, "".join(f"f{number},T {number},A,,\n" for number in range(700)))

    assert Book.objects.count() == 500


def _record_of(title: str) -> Record:
    (record,) = read_csv(io.BytesIO(f"{_HEADER}1,{title},A,{_X},\n".encode()))
    assert isinstance(record, Record)
    return record


def test_import__book_withdrawn_since_the_batch_was_compared__is_left_alone(folder: Path) -> None:
    _import(folder, f"1,Solitude,A,{_X},\n")
    book, plan = Book.objects.get(control_number="1"), plan_records([_record_of("Gone")])
    run_in_transaction(lambda: remove_book(book_id=book.pk, actor_id=_SYSTEM, now=clock.now()))

    with pytest.raises(BookNotFound):
        run_in_transaction(lambda: write_plan_in_tx(plan, now=clock.now()))

    book.refresh_from_db()
    assert (book.title, book.isbn, book.control_number) == ("Solitude", None, None)
    with connection.cursor() as cursor:
        column = "rowid" if connection.vendor == "sqlite" else "book_id"
        cursor.execute(f"SELECT 1 FROM book_search WHERE {column} = %s", (book.pk,))
        assert cursor.fetchone() is None


def test_import__book_withdrawn_while_its_batch_is_stored__comes_back_as_a_new_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _import(folder, f"1,Solitude,A,{_X},\n")
    book = Book.objects.get(control_number="1")

    def loses_a_book(records: list[Record], **of: Any) -> Plan:
        monkeypatch.setattr(import_catalog, "import_books", import_books)
        plan = plan_records(records)
        run_in_transaction(lambda: remove_book(book_id=book.pk, actor_id=_SYSTEM, now=clock.now()))
        write_plan_in_tx(plan, now=clock.now())
        return plan

    monkeypatch.setattr(import_catalog, "import_books", loses_a_book)
    monkeypatch.setattr(import_catalog, "run_in_transaction", lambda work: work())  # the withdrawal is another's

    said = _import(folder, f"1,Back,A,{_X},\n")

    assert "1 created, 0 changed" in said
    assert Book.objects.get(isbn=_X).title == "Back"
    assert Book.objects.get(isbn=_X).pk != book.pk


def test_import__no_rejection__leaves_no_report(folder: Path) -> None:
    (folder / "books.csv.rejected.csv").write_text("from an earlier run")

    _import(folder, "1,One,A,,\n")

    assert not (folder / "books.csv.rejected.csv").exists()


@pytest.mark.parametrize("name", ["missing.csv", "empty.csv"])
def test_import__unreadable_file__is_refused(folder: Path, name: str) -> None:
    (folder / "empty.csv").touch()

    with pytest.raises(CommandError):
        call_command("import_catalog", str(folder / name))


def test_import__a_batch__takes_few_statements() -> None:
    rows = read_csv(io.BytesIO((_HEADER + "".join(f"s{n},T {n},A,,\n" for n in range(500))).encode()))
    records = [row for row in rows if isinstance(row, Record)]

    with CaptureQueriesContext(connection) as statements:
        import_books(records, actor_id=_SYSTEM, now=clock.now())

    assert len(records) == 500
    assert len(statements) <= 6

"""Folders and files that cannot be used stop a command with a line, and not with the place in the program."""

import errno
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bookwell.cli.machine_failures import line_of
from bookwell.cli.main import app
from tests.infrastructure.servers import free_port


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("BOOKWELL_NOTIFIER_DATABASE_URL", raising=False)
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path / "data"


def _told() -> str:
    """The line with which the command ends; Python prints it, and ends with status 1."""
    with pytest.raises(SystemExit) as ended:
        app(["migrate", "notifier"])
    return str(ended.value)


def test_migrate__a_folder_where_the_database_would_be__is_a_line(folder: Path) -> None:
    (folder / "notifier.sqlite3").mkdir()

    assert _told() == "A database of the data folder cannot be used: unable to open database file"


def test_migrate__the_file_is_no_database__is_a_line_and_stays(folder: Path) -> None:
    (folder / "notifier.sqlite3").write_bytes(b"no database at all" * 100)

    told = _told()

    assert told == "A database of the data folder cannot be used: file is not a database"
    assert (folder / "notifier.sqlite3").read_bytes() == b"no database at all" * 100


def test_migrate__a_folder_where_its_lock_would_be__is_a_line(folder: Path) -> None:
    lock = folder / "notifier.sqlite3-migrating"
    lock.mkdir()

    assert _told() == f"{lock} cannot be used: Is a directory"


def test_serve__a_data_folder_that_cannot_be_made__is_a_line_before_any_process_is_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path / "file" / "data"))
    monkeypatch.setenv("BOOKWELL_SECRET_KEY", "")
    monkeypatch.setenv("BOOKWELL_WORKERS", "1")  # the command sets it

    with pytest.raises(SystemExit) as ended:
        app(["serve", "library", f"--port={free_port()}"])

    assert str(ended.value) == f"{tmp_path / 'file' / 'data'} cannot be used: Not a directory"


def test_line__of_an_error_behind_another__is_told() -> None:
    error = RuntimeError("cannot go on")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "/srv/bookwell/keys")

    assert line_of(error) == "/srv/bookwell/keys cannot be used: No space left on device"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ECONNREFUSED, "Connection refused"),
        PermissionError(errno.EACCES, "Permission denied"),  # of a port: it is no file
        sqlite3.OperationalError("of nobody knows what"),
        ValueError("in the program"),
    ],
)
def test_line__of_any_other_error__is_none(error: Exception) -> None:
    assert line_of(error) is None


def test_line__a_table_is_missing__is_none() -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.OperationalError) as missing:
        connection.execute("SELECT 1 FROM nothing")

    assert line_of(missing.value) is None

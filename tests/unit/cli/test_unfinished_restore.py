"""A restore that is broken off lets nothing start until it has been done again."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bookwell.cli.backup import stores
from bookwell.cli.backup.unfinished import RestoreUnfinished
from bookwell.cli.backup.working import make_backup, restore_backup
from bookwell.cli.main import migrate
from bookwell.cli.preparing import prepare_databases


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two databases, of the library and of the notifier."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(data))
    for service in ("LIBRARY", "NOTIFIER", "TABLES"):
        monkeypatch.delenv(f"BOOKWELL_{service}_DATABASE_URL", raising=False)
    for name in ("library", "notifier"):
        with closing(sqlite3.connect(data / f"{name}.sqlite3")) as database:
            database.execute("CREATE TABLE thing (id INTEGER)")
    return data


def silent(_: str) -> None:
    pass


def test_restore__broken_off__lets_nothing_start_until_it_is_done_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = make_backup(tmp_path / "backups", say=silent)
    fill = stores._Sqlite.fill  # noqa: SLF001

    def fill_the_first(self: stores._Sqlite, file: Path) -> None:
        if file.name.startswith("notifier"):
            raise KeyboardInterrupt
        fill(self, file)

    with monkeypatch.context() as patched:
        patched.setattr(stores._Sqlite, "fill", fill_the_first)  # noqa: SLF001
        with pytest.raises(KeyboardInterrupt):
            restore_backup(backup, is_forced=True, say=silent)

    with pytest.raises(RestoreUnfinished, match="--force"):
        prepare_databases(["notifier"], seconds=0)
    with pytest.raises(RestoreUnfinished):
        migrate(["notifier"])
    restore_backup(backup, is_forced=True, say=silent)
    assert not (folder / ".restoring").exists()


def test_restore__refused__leaves_no_mark(folder: Path, tmp_path: Path) -> None:
    backup = make_backup(tmp_path / "backups", say=silent)

    with pytest.raises(Exception, match="is not empty"):
        restore_backup(backup, is_forced=False, say=silent)

    assert not (folder / ".restoring").exists()

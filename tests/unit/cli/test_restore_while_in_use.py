"""A restore does not pull a database away from under a program that has it open."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bookwell.cli.backup import sessions
from bookwell.cli.backup.sessions import list_connected
from bookwell.cli.backup.working import RestoreRefused, make_backup, restore_backup
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading
from bookwell.notifier.migrating import migrate


def silent(_: str) -> None:
    pass


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of the one database of a data folder, the notifier's."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(data))
    for service in ("LIBRARY", "NOTIFIER", "TABLES"):
        monkeypatch.delenv(f"BOOKWELL_{service}_DATABASE_URL", raising=False)
    monkeypatch.setattr(sessions, "_PATIENCE_SECONDS", 0)
    url = f"sqlite:///{data}/notifier.sqlite3"
    migrate(url)
    return url


def test_restore__somebody_has_the_database_open__is_refused_unless_told_to_go_on(
    database: str, tmp_path: Path
) -> None:
    made = make_backup(tmp_path / "backups", say=silent)
    file = Path(database.partition("///")[2])
    inode = file.stat().st_ino
    engine = engine_of(database)

    with reading(engine) as server:
        server.exec_driver_sql("SELECT * FROM delivery")
        with pytest.raises(RestoreRefused, match=r"notifier: its database is in use \(another program\); stop"):
            restore_backup(made, is_forced=True, say=silent)

        assert file.stat().st_ino == inode
        restore_backup(made, is_forced=True, ignores_others=True, say=silent)

    assert file.stat().st_ino != inode
    engine.dispose()


def test_restore__whoever_had_it_open_is_gone__is_done(database: str, tmp_path: Path) -> None:
    made = make_backup(tmp_path / "backups", say=silent)

    restore_backup(made, is_forced=True, say=silent)

    with closing(sqlite3.connect(database.partition("///")[2])) as connection:
        assert connection.execute("SELECT COUNT(*) FROM delivery").fetchone() == (0,)


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
def test_connected__there_is_no_database__is_nobody(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "gone.sqlite3"
    if content is not None:
        file.write_bytes(content)

    assert list_connected(f"sqlite:///{file}") == ()

    assert (file.read_bytes() if file.exists() else None) == content

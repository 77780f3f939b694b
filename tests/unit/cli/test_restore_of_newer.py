"""A backup of a newer version is refused before anything is touched: this one would fail on its tables."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bookwell.cli.backup.manifest import MANIFEST, BackupUnusable
from bookwell.cli.backup.working import RestoreRefused, make_backup, restore_backup
from bookwell.notifier.migrating import migrate


def silent(_: str) -> None:
    pass


def write(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)


def library_of_tomorrow(data: Path) -> None:
    write(data / "library.sqlite3", "INSERT INTO django_migrations VALUES (3, 'circulation', '9000_of_tomorrow')")


def notifier_of_tomorrow(data: Path) -> None:
    write(data / "notifier.sqlite3", "UPDATE notifier_migration SET version_num = 'of_tomorrow'")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the databases of the library and the notifier, of this version."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(data))
    for service in ("LIBRARY", "NOTIFIER", "TABLES"):
        monkeypatch.delenv(f"BOOKWELL_{service}_DATABASE_URL", raising=False)
    write(
        data / "library.sqlite3",
        "CREATE TABLE django_migrations (id INTEGER, app TEXT, name TEXT)",
        "INSERT INTO django_migrations VALUES (1, 'circulation', '0001_initial'), (2, 'auth', '9000_of_a_library')",
    )
    migrate(f"sqlite:///{data}/notifier.sqlite3")
    return data


@pytest.mark.parametrize(
    ("move_on", "unknown"),
    [(library_of_tomorrow, "circulation.9000_of_tomorrow"), (notifier_of_tomorrow, "of_tomorrow")],
)
def test_restore__of_a_newer_version__is_refused_and_changes_nothing(
    data: Path, tmp_path: Path, move_on: Callable[[Path], None], unknown: str
) -> None:
    move_on(data)
    made = make_backup(tmp_path / "backups", say=silent)
    before = {file: file.read_bytes() for file in data.iterdir()}

    with pytest.raises(RestoreRefused, match=rf"newer version than this program \({unknown}\); install"):
        restore_backup(made, is_forced=True, say=silent)

    assert {file: file.read_bytes() for file in data.iterdir()} == before


def test_restore__of_this_version__is_done(data: Path, tmp_path: Path) -> None:
    made = make_backup(tmp_path / "backups", say=silent)
    library_of_tomorrow(data)

    restore_backup(made, is_forced=True, say=silent)

    with closing(sqlite3.connect(data / "library.sqlite3")) as database:
        assert database.execute("SELECT MAX(id) FROM django_migrations").fetchone() == (2,)


def test_restore__a_manifest_of_another_form__is_told_as_such(data: Path, tmp_path: Path) -> None:
    made = make_backup(tmp_path / "backups", say=silent)
    document = json.loads((made / MANIFEST).read_text()) | {"form": 2, "parts": [{"of": "tomorrow"}]}
    (made / MANIFEST).write_text(json.dumps(document))

    with pytest.raises(BackupUnusable, match="a program that this one does not know"):
        restore_backup(made, is_forced=True, say=silent)

    assert (data / "library.sqlite3").exists()

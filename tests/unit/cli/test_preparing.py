"""Waiting for databases before a service starts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bookwell.cli.healthy import is_healthy
from bookwell.cli.main import app, migrate
from bookwell.cli.preparing import DatabaseMissing, database_urls, prepare_databases
from bookwell.kit.settings import InvalidSettings

_MISSING = (
    "BOOKWELL_NOTIFIER_DATABASE_URL: the database does not answer (OperationalError); `bookwell doctor` says more"
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path / "data"))
    for variable in ("NOTIFIER_DATABASE_URL", "TABLES_DATABASE_URL", "LIBRARY_DATABASE_URL", "LOG_DATABASE_URL"):
        monkeypatch.delenv(f"BOOKWELL_{variable}", raising=False)


def test_prepare__embedded__makes_the_folder_and_the_databases_that_are_named(tmp_path: Path) -> None:
    prepare_databases(["notifier", "tables"], seconds=0)

    assert {file.name for file in (tmp_path / "data").glob("*.sqlite3")} == {"notifier.sqlite3", "tables.sqlite3"}


def test_prepare__for_a_demo__tells_who_can_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_DEMO_PASSWORD", "one-for-all")

    told = CliRunner().invoke(app, ["prepare", "tables", "--demo"])

    assert told.exit_code == 0, told.output
    assert ["staff", "staff", "one-for-all"] in [line.split() for line in told.output.splitlines()]


def test_prepare__again__finds_it_done() -> None:
    prepare_databases(["tables"], seconds=0)

    prepare_databases(["tables"], seconds=0)


def test_prepare__database_is_down__names_the_variable_and_not_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_NOTIFIER_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/notifier")

    with pytest.raises(DatabaseMissing) as refused:
        prepare_databases(["notifier"], seconds=0)

    assert str(refused.value) == _MISSING


def test_migrate__database_is_down__says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_NOTIFIER_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/notifier")

    with pytest.raises(DatabaseMissing) as refused:
        migrate(["notifier"])

    assert str(refused.value) == _MISSING


@pytest.mark.parametrize("url", ["postgresql://me:secret@host:/name", "secret", "postgresql://me:sec:ret@host:x/name"])
def test_migrate__url_is_none__says_so_without_the_password(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_NOTIFIER_DATABASE_URL", url)

    with pytest.raises(InvalidSettings) as refused:
        migrate(["notifier"])

    assert str(refused.value).startswith("BOOKWELL_NOTIFIER_DATABASE_URL: is no URL of a database; as in ")
    assert "sec" not in str(refused.value)


def test_database_urls__of_what_is_named_alone(tmp_path: Path) -> None:
    urls = database_urls(["tables", "logs"])

    folder = tmp_path / "data"
    assert urls == {
        "BOOKWELL_LOG_DATABASE_URL": f"sqlite:///{folder / 'logs.sqlite3'}",
        "BOOKWELL_TABLES_DATABASE_URL": f"sqlite:///{folder / 'tables.sqlite3'}",
    }


def test_is_healthy__nobody_listens_and_no_file__is_not(tmp_path: Path) -> None:
    assert not is_healthy("1")
    assert not is_healthy(str(tmp_path / "nothing"))


def test_prepare__a_name_that_is_none__is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["prepare", "tabels"])

    assert told.exit_code == 2
    assert "tabels" in told.output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", [["prepare", "tables", "--demo"], ["up", "--only", "tables", "--demo"]])
def test_demo__in_a_production__is_refused_and_nothing_is_made(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", f"sqlite:///{tmp_path}/data/tables.sqlite3")

    told = CliRunner().invoke(app, command)

    assert (told.exit_code, told.output.partition(":")[0]) == (1, "--demo")
    assert not (tmp_path / "data").exists()

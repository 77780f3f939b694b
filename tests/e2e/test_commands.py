"""The command line beside `bookwell up`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    made = kept | {
        "BOOKWELL_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "BOOKWELL_ADMIN_PASSWORD": "quite-a-long-one",
    }
    bookwell(made, "library", "migrate", "--no-input")
    return made


def bookwell(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bookwell.cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603


def test_create_admin__a_new_name__creates_one_administrator(environment: dict[str, str]) -> None:
    first = bookwell(environment, "create-admin", "ada", "ada@library.example")
    second = bookwell(environment, "create-admin", "ada", "ada2@library.example")

    assert (first.returncode, "ada" in first.stdout) == (0, True), first.stderr
    assert second.returncode == 1


def test_keys_rotate__run_twice__leaves_two_keys_for_their_owner_alone(environment: dict[str, str]) -> None:
    folder = Path(environment["BOOKWELL_DATA_DIR"]) / "keys"
    before = set(folder.glob("*.pem"))

    ended = [bookwell(environment, "keys", "rotate").returncode for _ in range(2)]

    added = set(folder.glob("*.pem")) - before
    assert ended == [0, 0]
    assert len(added) == 2
    assert {key.stat().st_mode & 0o777 for key in added} == {0o600}


def test_import__a_small_file__can_be_tried_and_run(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "books.csv"
    file.write_text("title,authors,isbn13\nSolaris,Stanisław Lem,9788308070178\n")

    tried, done, again = (bookwell(environment, "import", str(file), *options) for options in (["--dry-run"], [], []))

    assert [run.returncode for run in (tried, done, again)] == [0, 0, 0], done.stderr
    assert ("1 created" in done.stdout, "1 created" in again.stdout) == (True, False), (done.stdout, again.stdout)


def test_settings__a_wrong_value__is_named_and_refused(environment: dict[str, str]) -> None:
    refused = bookwell(environment | {"BOOKWELL_MODE": "casual"}, "library", "check")

    assert refused.returncode == 1
    assert "BOOKWELL_MODE" in refused.stderr

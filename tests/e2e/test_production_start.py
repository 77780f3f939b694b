"""What a production does not start with, told by the commands that would."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bookwell.cli.demo_accounts import list_demo_accounts
from tests.infrastructure.servers import free_port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a demo, with its databases filled."""
    made = tmp_path_factory.mktemp("demo")
    filled = _bookwell({"BOOKWELL_DATA_DIR": str(made)}, "prepare", "library", "tables", "--demo")
    assert filled.returncode == 0, filled.stderr
    return made


def _bookwell(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    command = [sys.executable, "-m", "bookwell.cli.main", *arguments]
    return subprocess.run(  # noqa: S603 -- our own command
        command, env=kept | settings, capture_output=True, text=True, timeout=60, check=False
    )


def _production(folder: Path) -> dict[str, str]:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "BOOKWELL_MODE": "production",
        "BOOKWELL_DATA_DIR": str(folder),
        "BOOKWELL_SECRET_KEY": "0123456789abcdef" * 3,
        "BOOKWELL_SIGNING_KEYS": pem,
        "BOOKWELL_TABLES_SIGNING_KEYS": pem,
        "BOOKWELL_LIBRARY_URL": "https://library.example",
        "BOOKWELL_TABLES_URL": "https://tables.example",
        "BOOKWELL_LIBRARY_DATABASE_URL": f"sqlite:///{folder}/library.sqlite3",
        "BOOKWELL_TABLES_DATABASE_URL": f"sqlite:///{folder}/tables.sqlite3",
        "BOOKWELL_LIBRARY_PORT": str(free_port()),
        "BOOKWELL_TABLES_PORT": str(free_port()),
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["serve", "library"], ["BOOKWELL_LIBRARY_DATABASE_URL"]),
        (["serve", "tables"], ["BOOKWELL_TABLES_DATABASE_URL"]),
        (["prepare", "library", "tables"], ["BOOKWELL_LIBRARY_DATABASE_URL", "BOOKWELL_TABLES_DATABASE_URL"]),
    ],
)
def test_start__people_of_the_demo_in_the_database__is_refused(
    folder: Path, arguments: list[str], named: list[str]
) -> None:
    refused = _bookwell(_production(folder), *arguments)

    lines = [line for line in refused.stderr.splitlines() if "people of the demo" in line]
    assert (refused.returncode, [line.partition(":")[0] for line in lines]) == (1, named), refused.stderr
    assert all("josh" in line for line in lines)


def test_start__several_processes_and_much_else_that_is_wrong__is_told_at_once(folder: Path) -> None:
    wrong = {"BOOKWELL_SECRET_KEY": "short", "BOOKWELL_CLOCK_OFFSET": "60", "BOOKWELL_LIBRARY_HOSTS": "*"}

    refused = _bookwell(_production(folder) | wrong, "serve", "library", "--workers=2")

    lines = sorted(line.partition(":")[0] for line in refused.stderr.splitlines())
    assert refused.returncode == 1
    assert lines == sorted([*wrong, "BOOKWELL_LIBRARY_DATABASE_URL"]), refused.stderr


def test_demo_accounts__deactivated__are_nobody(folder: Path) -> None:
    for service in ("library", "tables"):
        with closing(sqlite3.connect(folder / f"{service}.sqlite3")) as database:
            before = list_demo_accounts(service, f"sqlite:///{folder}/{service}.sqlite3")
            database.execute("BEGIN")
            database.execute("UPDATE account SET is_active = 0 WHERE username <> 'josh'")
            database.commit()
            after = list_demo_accounts(service, f"sqlite:///{folder}/{service}.sqlite3")
            database.execute("UPDATE account SET is_active = 1")
            database.commit()

        assert (len(before), list(after)) == (7, ["josh"])


def test_demo_accounts__no_database_and_another_restaurant__hold_nobody(tmp_path: Path) -> None:
    nowhere = list_demo_accounts("tables", "postgresql://db:password@127.0.0.1:1/tables")
    with closing(sqlite3.connect(tmp_path / "own.sqlite3")) as database:
        database.execute("CREATE TABLE account (username TEXT, username_key TEXT, is_active INTEGER)")
        database.execute("INSERT INTO account VALUES ('admin', 'admin', 1), ('josh', 'josh', 1)")
        database.commit()

    assert list(nowhere) == []
    assert list(list_demo_accounts("tables", f"sqlite:///{tmp_path}/own.sqlite3")) == []

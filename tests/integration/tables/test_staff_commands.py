"""`bookwell tables …`: accounts made before anybody can log in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bookwell.cli.main import app
from bookwell.tables.accounts.passwords import is_right
from bookwell.tables.accounts.queries import Credentials, find_credentials, list_clients
from bookwell.tables.db import Database
from tests.restaurant import tables_url


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """That of the settings."""
    with tables_url(tmp_path) as url:
        monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", url)
        monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path))
        database = Database.of_url(url)
        yield database
        database.engine.dispose()


def bookwell(*arguments: str, password: str = "") -> Any:
    return CliRunner().invoke(app, ["tables", *arguments], input=password)


def kept(database: Database, name: str) -> Credentials | None:
    return database.read(lambda connection: find_credentials(connection, name))


def test_create_user__with_a_password_from_a_pipe(database: Database) -> None:
    first = bookwell("create-user", "ada", "--role", "admin", password="quite-a-long-one\n")
    second = bookwell("create-user", "Ada", password="quite-a-long-one\n")

    assert (first.exit_code, "ada" in first.output) == (0, True), first.output
    assert (second.exit_code, "taken" in second.output) == (1, True)
    found = kept(database, "ADA")
    assert found
    assert is_right("quite-a-long-one", found.password_hash)
    assert not is_right("quite-another-one", found.password_hash)


def test_create_user__a_short_password__is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_USER_PASSWORD", "short")

    refused = bookwell("create-user", "eve")

    assert (refused.exit_code, "10 to 128" in refused.output) == (1, True)
    assert kept(database, "eve") is None


def test_set_password__only_that_one_is_right(database: Database) -> None:
    bookwell("create-user", "ada", password="quite-a-long-one\n")

    changed = bookwell("set-password", "ADA", password="another-long-one\n")
    nobody = bookwell("set-password", "nobody", password="another-long-one\n")

    found = kept(database, "ada")
    assert found
    assert (changed.exit_code, nobody.exit_code) == (0, 1)
    assert [is_right(each, found.password_hash) for each in ("quite-a-long-one", "another-long-one")] == [False, True]


def test_deactivate_user__unless_it_is_the_last_administrator(database: Database) -> None:
    bookwell("create-user", "ada", "--role", "admin", password="quite-a-long-one\n")
    bookwell("create-user", "bob", password="quite-a-long-one\n")

    ended = [bookwell("deactivate-user", name).exit_code for name in ("ada", "bob", "bob")]

    assert ended == [1, 0, 0]
    assert [each.is_active for each in (kept(database, "ada"), kept(database, "bob")) if each] == [True, False]


def test_rotate_keys__adds_one_for_its_owner_alone(database: Database, tmp_path: Path) -> None:
    ended = [bookwell("rotate-keys").exit_code for _ in range(2)]

    assert ended == [0, 0]
    assert [key.stat().st_mode & 0o777 for key in (tmp_path / "tables-keys").glob("*.pem")] == [0o600] * 2


def test_create_user__nobody_migrated__says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    failed = bookwell("create-user", "ada", password="quite-a-long-one\n")

    assert (failed.exit_code, "never migrated" in failed.output) == (1, True)


def test_create_user__the_first_thing_ever__makes_the_embedded_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BOOKWELL_TABLES_DATABASE_URL", raising=False)
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path / "data"))

    made = bookwell("create-user", "ada", password="quite-a-long-one\n")

    assert made.exit_code == 0, made.output
    made_there = Database.of_url(f"sqlite:///{tmp_path / 'data' / 'tables.sqlite3'}")
    assert kept(made_there, "ada")
    made_there.engine.dispose()


def test_clients__are_added_listed_given_another_secret_and_revoked(database: Database) -> None:
    added = bookwell("clients", "add", " Till ", "--scope", "bookings:read")
    client_id, secret = (line.split()[1] for line in added.stdout.splitlines())
    listed = bookwell("clients", "list").stdout
    rotated = bookwell("clients", "rotate", "Till", "--both-for", "0")
    revoked = [bookwell("clients", "revoke", name).exit_code for name in ("Till", client_id, "nobody")]
    again = bookwell("clients", "rotate", "Till")

    kept = database.read(lambda connection: list_clients(connection)[0])
    assert listed == f"{client_id}  Till  bookings:read\n"
    assert rotated.stdout.splitlines()[0] == added.stdout.splitlines()[0]
    assert secret not in rotated.stdout
    assert is_right(rotated.stdout.split()[-1], kept.secret_hash)
    assert kept.secret_hash.startswith("$argon2id$")
    assert (revoked, again.exit_code, kept.revoked_at is None) == ([0, 0, 1], 1, False)
    assert "revoked" in bookwell("clients", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("Till",), "There are bookings:read"),
        (("Till", "--scope", "reservations:write"), "There are bookings:read"),
        (("", "--scope", "bookings:read"), "visible characters"),
        (("Known", "--scope", "bookings:read"), "name"),
    ],
)
def test_clients_add__what_cannot_be__is_refused(database: Database, arguments: tuple[str, ...], told: str) -> None:
    bookwell("clients", "add", "Known", "--scope", "bookings:read")

    refused = bookwell("clients", "add", *arguments)

    assert (refused.exit_code, told in refused.output) == (1, True), refused.output
    assert len(database.read(list_clients)) == 1

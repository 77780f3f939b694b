"""The command line beside `bookwell up`."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
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
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


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


@pytest.fixture
def messages(environment: dict[str, str]) -> Iterator[sqlite3.Connection]:
    """The library's outbox with a message that waits and a dead one, whose error looks like markup."""
    columns = "event_id, queue, type, version, aggregate, aggregate_version, payload, created_at, done_at, attempts, "
    insert = (
        f"INSERT INTO outbox ({columns} next_attempt_at, error) VALUES (?, 'mail', 'x', 1, ?, 1, '[1]', 0, ?, 1, 0, ?)"
    )
    with closing(sqlite3.connect(Path(environment["BOOKWELL_DATA_DIR"]) / "library.sqlite3")) as database:
        database.execute("DELETE FROM outbox")
        database.execute(insert, ("waiting-1", "thing:1", None, ""))
        database.execute(insert, ("dead-1", "thing:2", 1, "Poison: [/b] is no [reason]"))
        database.commit()
        yield database


def test_outbox_list__waiting_and_dead__are_told_as_they_are(
    environment: dict[str, str], messages: sqlite3.Connection
) -> None:
    all_open, dead = (bookwell(environment, "outbox", "list", *options) for options in ([], ["--state", "dead"]))

    assert (all_open.returncode, dead.returncode) == (0, 0), all_open.stderr
    assert "waiting-1" in all_open.stdout
    assert "Poison: [/b] is no [reason]" in all_open.stdout
    assert ("waiting-1" in dead.stdout, "dead-1" in dead.stdout) == (False, True)


def test_outbox_retry__a_dead_message__is_due_again_once(
    environment: dict[str, str], messages: sqlite3.Connection
) -> None:
    moved = environment | {"BOOKWELL_CLOCK_OFFSET": "-86400"}

    unknown, first, second = (bookwell(moved, "outbox", "retry", event) for event in ("x", "dead-1", "dead-1"))

    assert [run.returncode for run in (unknown, first, second)] == [1, 0, 1], first.stderr
    assert "1 due again" in first.stdout
    row = messages.execute("SELECT done_at, error, next_attempt_at FROM outbox WHERE event_id = 'dead-1'").fetchone()
    assert row[:2] == (None, "")
    assert row[2] < (time.time() - 80_000) * 1000  # by the demo's clock


def test_background__no_database_or_mail_server_in_production__is_named(environment: dict[str, str]) -> None:
    production = environment | {"BOOKWELL_MODE": "production", "BOOKWELL_SECRET_KEY": "0123456789abcdef" * 3}
    broker = {"BOOKWELL_BROKER_URL": "redis://127.0.0.1:9/0"}

    relay = bookwell(production | broker, "relay")
    worker = bookwell(production | broker | {"BOOKWELL_LIBRARY_DATABASE_URL": "sqlite:///x"}, "worker", "mail")
    scheduler = bookwell(environment, "scheduler")

    assert (relay.returncode, "BOOKWELL_LIBRARY_DATABASE_URL" in relay.stderr) == (1, True), relay.stderr
    assert (worker.returncode, "BOOKWELL_SMTP_URL" in worker.stderr) == (1, True), worker.stderr
    assert (scheduler.returncode, "BOOKWELL_BROKER_URL" in scheduler.stderr) == (1, True), scheduler.stderr


def test_clients__before_the_first_start__are_let_in_and_nobody_else_reads_the_folder(
    environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "data"

    added = bookwell(
        environment | {"BOOKWELL_DATA_DIR": str(folder)}, "clients", "add", "kiosk", "--scope", "reservations:write"
    )

    assert (added.returncode, "client_secret" in added.stdout) == (0, True), added.stderr
    assert folder.stat().st_mode & 0o077 == 0


def test_clients__the_database_is_away__say_so_in_one_line(environment: dict[str, str]) -> None:
    url = "mysql://bookwell:not-told@127.0.0.1:1/bookwell"

    refused = bookwell(environment | {"BOOKWELL_LIBRARY_DATABASE_URL": url}, "clients", "list")

    assert refused.returncode == 1
    assert refused.stderr.startswith("The database cannot be read, or was never migrated: ")
    assert ("\n" in refused.stderr.strip(), "not-told" in refused.stderr) == (False, False)

"""The doctor in front of real servers that are well, wrong, silent or away."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from bookwell.cli.doctor.brokers import broker_checks
from bookwell.cli.doctor.databases import database_checks
from bookwell.cli.doctor.findings import Check, State
from bookwell.cli.doctor.machine import machine_checks
from bookwell.cli.doctor.neighbours import neighbour_checks
from bookwell.cli.doctor.site import read_site
from bookwell.cli.management import MIGRATIONS
from bookwell.kit.adapters.celery import make_app
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import writing
from tests.infrastructure import drop_database, new_database, running_servers
from tests.infrastructure.servers import free_port
from tests.mail_servers import mail_server, only
from tests.outside_issuer import outside_issuer
from tests.receivers import receiver

_NOWHERE = "127.0.0.1:1"
_OUTBOX_COLUMNS = (
    "event_id, queue, type, version, aggregate, aggregate_version, payload, created_at, attempts, next_attempt_at, "
    "done_at, error"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BOOKWELL_LIBRARY_DATABASE_URL", raising=False)
    monkeypatch.setenv("BOOKWELL_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    with running_servers(["mariadb", "postgresql"]) as running:
        yield {name: server.url for name, server in running.items()}


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something that accepts connections and says nothing."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@contextmanager
def _database(url: str, **options: str) -> Iterator[str]:
    made = new_database(url, **options)
    try:
        yield made
    finally:
        drop_database(made)


def _found(checks: Mapping[str, Check], name: str) -> list[tuple[State, str]]:
    return [(each.state, f"{each.message} {each.advice}") for each in checks[name]()]


def _execute(url: str, *statements: str) -> None:
    engine = engine_of(url)
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _doctor(settings: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    command = [sys.executable, "-m", "bookwell.cli.main", "doctor", *options]
    return subprocess.run(  # noqa: S603 -- our own command
        command, env=kept | settings, capture_output=True, text=True, timeout=60, check=False
    )


def test_doctor__everything_prepared__has_no_failure(folder: Path) -> None:
    ports = {f"BOOKWELL_{name}_PORT": str(free_port()) for name in ("LIBRARY", "SIMULATORS")}
    environment = {"BOOKWELL_DATA_DIR": str(folder / "data"), **ports}
    prepare = [sys.executable, "-m", "bookwell.cli.main", "prepare"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    subprocess.run(prepare, env=kept | environment, check=True, timeout=60)  # noqa: S603 -- our own command

    ended = _doctor(environment, "--json")

    report = json.loads(ended.stdout)
    states = {each["check"]: each["state"] for each in report["findings"]}
    assert (ended.returncode, report["state"]) == (0, "warning"), ended.stdout
    assert {states[f"database of {name}"] for name in ("library", "tables", "notifier")} == {"ok"}


def test_doctor__servers_away_or_silent__ends_soon_and_tells_no_secret(folder: Path, silent_port: int) -> None:
    login = "me:hush-hush"
    wrong = {
        "BOOKWELL_DATA_DIR": str(folder / "data"),
        "BOOKWELL_LIBRARY_DATABASE_URL": f"mysql://{login}@127.0.0.1:{silent_port}/library",
        "BOOKWELL_TABLES_DATABASE_URL": f"postgresql://{login}@127.0.0.1:{silent_port}/tables",
        "BOOKWELL_NOTIFIER_DATABASE_URL": f"postgresql://{login}@{_NOWHERE}/notifier",
        "BOOKWELL_BROKER_URL": f"amqp://{login}@127.0.0.1:{silent_port}//",
        "BOOKWELL_REDIS_URL": f"redis://:hush-hush@127.0.0.1:{silent_port}/0",
        "BOOKWELL_SMTP_URL": f"smtp://{login}@127.0.0.1:{silent_port}",
    }

    ended = _doctor(wrong)  # which gives it a minute; who is silent here is so for ever

    failed = {
        line.split(":")[0].removeprefix("failed").strip() for line in ended.stdout.splitlines() if "failed " in line
    }
    assert ended.returncode == 1
    assert failed >= {
        *(f"database of {name}" for name in ("library", "tables", "notifier")),
        "broker",
        "Redis",
        "mail server",
    }
    assert "hush-hush" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_database__of_another_collation_and_not_migrated__is_told(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _database(servers["mariadb"], collation="utf8mb4_general_ci") as url:
        monkeypatch.setenv("BOOKWELL_LIBRARY_DATABASE_URL", url)

        found = _found(database_checks(read_site()), "database of library")

    assert [state for state, _ in found] == [State.FAILED, State.FAILED]
    assert "COLLATE utf8mb4_bin" in found[0][1]
    assert "bookwell migrate library" in found[1][1]


def test_database__that_overrides_the_isolation__is_told(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _database(servers["mariadb"]) as url:
        monkeypatch.setenv("BOOKWELL_LIBRARY_DATABASE_URL", url)
        monkeypatch.setattr(
            "bookwell.cli.doctor.databases.engine_of",
            lambda url, **options: engine_of(url, **options).execution_options(isolation_level="REPEATABLE READ"),
        )

        found = _found(database_checks(read_site()), "database of library")

    assert any("REPEATABLE-READ" in line for state, line in found if state is State.FAILED)


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_database__of_an_old_server__is_told(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with _database(servers[kind]) as url:
        monkeypatch.setenv("BOOKWELL_LIBRARY_DATABASE_URL", url)
        least = dict.fromkeys(("MariaDB", "MySQL", "PostgreSQL"), (99,))
        monkeypatch.setattr("bookwell.cli.doctor.databases._LEAST", least)

        found = _found(database_checks(read_site()), "database of library")

    assert any("is too old" in line for state, line in found if state is State.FAILED)


def test_database__of_tables__migrated_then_not_by_us__is_told(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _database(servers["postgresql"]) as url:
        monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", url)
        before = _found(database_checks(read_site()), "database of tables")
        MIGRATIONS["tables"]()
        after = _found(database_checks(read_site()), "database of tables")
        _execute(url, "UPDATE tables_migration SET version_num = 'from-the-future'")
        newer = _found(database_checks(read_site()), "database of tables")

    assert [state for state, _ in before] == [State.FAILED]
    assert "bookwell migrate tables" in before[0][1]
    assert [state for state, _ in after] == [State.OK]
    assert [(state, "newer version" in line) for state, line in newer] == [(State.WARNING, True)]


def test_database__of_another_encoding_without_the_extension__is_told(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _database(servers["postgresql"]) as url:
        name = f"{url.rpartition('/')[2]}_latin"
        create = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        with closing(psycopg.connect(url, autocommit=True)) as connection:
            connection.execute(create.encode())
        monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", f"{url}_latin")
        monkeypatch.setattr("bookwell.cli.doctor.databases._EXTENSION", "no_such_extension")

        found = _found(database_checks(read_site()), "database of tables")
        drop_database(f"{url}_latin")

    assert ["its encoding is LATIN1" in found[0][1], "no_such_extension" in found[1][1]] == [True, True]
    assert {state for state, _ in found} == {State.FAILED}


def test_database__with_a_wrong_password__is_told_without_it(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    head, _, tail = servers["postgresql"].rpartition("@")
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", f"{head[:-3]}bad@{tail}")

    found = _found(database_checks(read_site()), "database of tables")

    assert [(state, "password authentication failed" in line) for state, line in found] == [(State.FAILED, True)]


def test_outbox__dead_overdue_and_without_receipt__is_told(folder: Path) -> None:
    MIGRATIONS["tables"]()
    url = f"sqlite:///{folder}/tables.sqlite3"
    now = int(time.time() * 1000)
    before = _found(database_checks(read_site()), "database of tables")
    rows = [("due", "mail", 0, now - 600_000, "NULL", ""), ("silent", "sms", 7, now + 60_000, "NULL", "")]
    rows += [("dead", "mail", 1, now, str(now), "poison")]
    for event, queue, attempts, next_at, done_at, error in rows:
        values = (
            f"'{event}', '{queue}', 't', 1, '{event}', 1, '{{}}', {now}, {attempts}, {next_at}, {done_at}, '{error}'"
        )
        _execute(url, f"INSERT INTO outbox ({_OUTBOX_COLUMNS}) VALUES ({values})")

    found = _found(database_checks(read_site()), "database of tables")

    assert [state for state, _ in before] == [State.OK]
    assert [state for state, _ in found] == [State.WARNING, State.FAILED, State.FAILED]
    assert ["outbox retry" in found[0][1], "relay" in found[1][1], "worker sms" in found[2][1]] == [True] * 3


def test_demo_users__in_a_production__fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    MIGRATIONS["tables"]()
    url = f"sqlite:///{folder}/tables.sqlite3"
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_TABLES_DATABASE_URL", url)
    before = _found(machine_checks(read_site()), "demo users")
    for name in ("customer", "josh", "mike"):
        columns = "username, username_key, role, password_hash, is_active, created_at, version"
        _execute(url, f"INSERT INTO account ({columns}) VALUES ('{name}', '{name}', 'staff', 'x', 1, 0, 1)")

    found = _found(machine_checks(read_site()), "demo users")

    assert [state for state, _ in before] == [State.OK]
    assert [(state, "customer, josh, mike" in line) for state, line in found] == [(State.FAILED, True)]


def test_broker__queues_without_workers_or_of_another_kind__are_told(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOKWELL_BROKER_URL", rabbitmq_url)
    names = {"missing": "doctor-missing", "classic": "doctor-classic", "idle": "doctor-idle"}
    monkeypatch.setattr("bookwell.cli.doctor.brokers.queues_of", lambda _: tuple(names.values()))
    app = make_app(rabbitmq_url)
    with app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        for name in names.values():
            channel.queue_delete(name)
        channel.queue_declare(names["classic"], durable=True, auto_delete=False)
        app.amqp.queues[names["idle"]](channel).declare()

    found = _found(broker_checks(read_site()), "broker")

    with app.connection_for_write() as connection:
        channel = connection.default_channel
        for name in names.values():
            channel.queue_delete(name)
    assert [state for state, _ in found] == [State.WARNING, State.FAILED, State.FAILED]
    words = ["never declared", "no quorum queue", "nobody works"]
    assert [word in line for word, (_, line) in zip(words, found, strict=True)] == [True] * 3


def test_redis__well_or_with_a_wrong_password__is_told(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_REDIS_URL", redis_url)
    well = _found(broker_checks(read_site()), "Redis")
    monkeypatch.setenv("BOOKWELL_REDIS_URL", redis_url.replace("@", "x@"))

    assert [state for state, _ in well] == [State.OK]
    assert [state for state, _ in _found(broker_checks(read_site()), "Redis")] == [State.FAILED]


def test_mail_server__without_tls_or_with_a_wrong_login__is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(authenticator=only("me", "right"), auth_require_tls=False) as server:
        found = {}
        for name, url in {
            "well": f"smtp://me:right@127.0.0.1:{server.port}",
            "login": f"smtp://me:wrong@127.0.0.1:{server.port}",
            "starttls": f"smtp+starttls://me:right@127.0.0.1:{server.port}",
        }.items():
            monkeypatch.setenv("BOOKWELL_SMTP_URL", url)
            found[name] = _found(neighbour_checks(read_site()), "mail server")
        received = list(server.accepted)

    assert {name: [state for state, _ in lines] for name, lines in found.items()} == {
        "well": [State.OK],
        "login": [State.FAILED],
        "starttls": [State.FAILED],
    }
    assert "log-in" in found["login"][0][1]
    assert received == []


def test_partner__away_or_broken__is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as partner:
        entries = {"near": f"{partner.origin}/daia", "away": f"http://{_NOWHERE}/daia"}
        lines = [f'[partners.{name}]\nprotocol = "daia"\nurl = "{url}"\n' for name, url in entries.items()]
        (folder / "partners.toml").write_text("".join(lines))
        monkeypatch.setenv("BOOKWELL_PARTNERS_CONFIG", str(folder / "partners.toml"))

        found = _found(neighbour_checks(read_site()), "partners")

    assert [state for state, _ in found] == [State.OK, State.FAILED]


def test_issuer__away__is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with outside_issuer() as issuer:
        named = [issuer.named.model_dump(mode="json"), {"issuer": f"http://{_NOWHERE}", "audience": "x"}]
        monkeypatch.setenv("BOOKWELL_ISSUERS", json.dumps(named))
        checks = neighbour_checks(read_site())

        well, away = _found(checks, f"issuer {issuer.url}"), _found(checks, f"issuer http://{_NOWHERE}")

    assert [well[0][0], away[0][0]] == [State.OK, State.FAILED]

"""Backups made under load, and what is there after everything was lost and restored."""

import datetime as dt
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from bookwell.cli.backup import sessions
from bookwell.cli.backup.stores import mysql_options
from bookwell.cli.processes import stop
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading
from tests.e2e.embedded import run_up, wait_until
from tests.e2e.newcomers import settle
from tests.infrastructure import drop_database, new_database, running_servers
from tests.infrastructure.servers import free_port
from tests.production import Production, production

pytestmark = pytest.mark.timeout(360)

_PASSWORD = "one-for-all-of-them"
_READERS, _BOOKS = 3, 100
_READER_PAUSE_SECONDS, _GUEST_PAUSE_SECONDS = 1.2, 0.4
"""A reader has something left to reserve for two minutes, however long a backup takes."""
_SETTLING_SECONDS = 120
_COMMAND = [sys.executable, "-m", "bookwell.cli.main"]
_CHANGES = {
    "BOOKWELL_RATE_LIMIT_PER_MINUTE": "0",
    "BOOKWELL_OUTBOX_GAP_SECONDS": "5",
    "BOOKWELL_OUTBOX_LEASE_SECONDS": "5",
    "BOOKWELL_SMTP_DEADLINE_SECONDS": "10",
    "BOOKWELL_MAIL_LEASE_SECONDS": "15",
}
"""What was being sent when the backup was made is sent again when its lease is over."""
_PROGRAMS = ("library", "tables", "relay", "scheduler", "worker-library", "worker-tables", "worker-notifier")


@dataclass
class Load:
    """Readers who reserve and guests who order, without a pause; `acknowledged` is (service, id, when)."""

    library: str
    tables: str
    tokens: list[str]
    books: list[int]
    table: int
    acknowledged: list[tuple[str, int, float]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """For as long as the block runs."""
        over = threading.Event()
        threads = [threading.Thread(target=self._reserve, args=(token, over)) for token in self.tokens]
        threads.append(threading.Thread(target=self._order, args=(over,)))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def before(self, instant: float) -> dict[str, set[int]]:
        """What was acknowledged before an instant, by service."""
        found: dict[str, set[int]] = {"library": set(), "tables": set()}
        for service, made, at in self.acknowledged:
            if at < instant:
                found[service].add(made)
        return found

    def wait_for(self, number: int) -> None:
        """Until so many more of each are acknowledged."""
        until = {service: len(ids) + number for service, ids in self.before(float("inf")).items()}
        wait_until(
            lambda: (
                bool(self.refused) or all(len(ids) >= until[name] for name, ids in self.before(float("inf")).items())
            )
        )
        assert self.refused == []

    def reserve(self, token: str, book: int) -> int:
        """One reservation."""
        answer = self._ask(f"{self.library}/api/reservations/", {"book_id": book}, token)
        return self._note("library", answer)

    def order(self, number: int) -> int:
        """One order, of a guest of its own."""
        day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)  # noqa: TID251 -- servers live in the present
        who = {"name": "Ada", "email": f"guest{number}@example.org"}
        body = {"id": self.table, "starts_at": f"{day}T18:00", "party_size": 2, **who}
        return self._note(
            "tables", self._ask(f"{self.tables}/api/customer/book_table/", body, "", address=f"10.0.0.{number % 250}")
        )

    def _reserve(self, token: str, over: threading.Event) -> None:
        for book in self.books:
            if over.wait(_READER_PAUSE_SECONDS):
                return
            self.reserve(token, book)

    def _order(self, over: threading.Event) -> None:
        number = 0
        while not over.wait(_GUEST_PAUSE_SECONDS):
            number += 1
            self.order(number)

    def _ask(self, url: str, body: dict[str, Any], token: str, *, address: str = "10.0.0.1") -> httpx2.Response:
        """As the proxy in front passes it on: nobody has many open orders from one address."""
        headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token else {})
        return httpx2.post(url, json=body, headers=headers, timeout=20, trust_env=False)

    def _note(self, service: str, answer: httpx2.Response) -> int:
        if answer.status_code != 201:
            self.refused.append(answer.text)
            return 0
        made = int(answer.json()["id"])
        self.acknowledged.append((service, made, time.monotonic()))
        return made


def _ids(url: str, table: str) -> set[int]:
    return {int(row["id"]) for row in _rows(url, f"SELECT id FROM {table}")}


def _rows(url: str, statement: str) -> list[dict[str, Any]]:
    engine = engine_of(url)
    try:
        with reading(engine) as connection:
            return [dict(row) for row in connection.execute(text(statement)).mappings()]
    finally:
        engine.dispose()


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own command
        [*_COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def _backed_up(load: Load, back_up: Callable[[], Path]) -> tuple[Path, dict[str, set[int]]]:
    """A backup in the middle of a load, and what had been acknowledged before it began."""
    with load.running():
        load.wait_for(4)
        promised = load.before(time.monotonic())
        made = back_up()
        load.wait_for(1)
    return made, promised


@pytest.fixture(scope="module")
def servers(redis_url: str, rabbitmq_url: str) -> Iterator[dict[str, str]]:
    with running_servers(["mariadb", "postgresql"]) as running:
        urls = {kind: server.url for kind, server in running.items()}
        yield urls | {"redis": redis_url, "rabbitmq": rabbitmq_url}


def _open_house(site: Production) -> Load:
    """Readers, books and a table."""
    environment = site.environment("library") | {"DJANGO_SETTINGS_MODULE": "bookwell.library.config.settings"}
    numbers = [str(number) for number in (_READERS, _BOOKS, _BOOKS, 1)]
    command = [sys.executable, "-m", "tests.e2e.newcomers", *numbers]
    made = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout)  # noqa: S603 -- our own
    site.run("tables", "create-user", "waiter", BOOKWELL_USER_PASSWORD=_PASSWORD)
    urls = (site.url("library"), site.url("tables"))
    return Load(*urls, made["tokens"], made["books"], table=_add_table(urls[1]))


def _add_table(url: str) -> int:
    """The restaurant's one table."""
    with httpx2.Client(base_url=url, timeout=20, trust_env=False) as http:
        token = http.post("/api/token/", json={"username": "waiter", "password": _PASSWORD}).json()["access"]
        described = {"name": "Window", "table_type": "regular", "seats": 4, "price": 10}
        answer = http.post("/api/admin/add_table/", json=described, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def _lose_and_restore(site: Production, made: Path, urls: dict[str, str]) -> None:
    """Two databases are lost; the third is still there, and goes only when it is said to."""
    for service in ("library", "tables"):
        new_database(urls[service], name=urls[service].rpartition("/")[2])
    refused = _run(site.environment("prepare"), "restore", str(made))
    assert refused.returncode == 1
    assert refused.stderr.strip() == "notifier: its database is not empty; --force drops what is there"
    assert _rows(urls["notifier"], "SELECT id FROM delivery LIMIT 1")

    assert "whole" in site.run("restore", str(made), "--check")
    site.run("restore", str(made), "--force")
    site.prepare()


def _stop_programs(site: Production) -> None:
    for program in site.programs.values():
        program.process.terminate()
    for program in site.programs.values():
        stop(program.process, grace_seconds=30)
    site.programs.clear()


def _is_settled(urls: dict[str, str]) -> bool:
    undone = [f"SELECT id FROM outbox WHERE done_at IS NULL AND queue <> '{queue}' LIMIT 1" for queue in ("webhook",)]
    moving = "SELECT id FROM delivery WHERE state IN ('queued', 'sending') AND channel = 'email' LIMIT 1"
    rows = [row for service in ("library", "tables") for one in undone for row in _rows(urls[service], one)]
    return not rows and not _rows(urls["notifier"], moving)


def _failing(site: Production) -> set[str]:
    """What the doctor finds wrong."""
    found = json.loads(_run(site.environment("prepare"), "doctor", "--json").stdout)["findings"]
    return {each["check"] for each in found if each["state"] == "failed"}


def test_production__lost_and_restored__has_all_it_had_acknowledged_and_goes_on(
    tmp_path: Path, servers: dict[str, str]
) -> None:
    with production(tmp_path, servers, _CHANGES) as site:
        urls = {name: site.urls[f"BOOKWELL_{name.upper()}_DATABASE_URL"] for name in ("library", "tables", "notifier")}
        site.prepare()
        site.start(*_PROGRAMS)
        load = _open_house(site)

        def back_up() -> Path:
            return Path(site.run("backup", str(tmp_path / "backups")).strip())

        made, promised = _backed_up(load, back_up)
        wait_until(lambda: _is_settled(urls), seconds=_SETTLING_SECONDS)
        _stop_programs(site)

        _lose_and_restore(site, made, urls)

        assert promised["library"] <= _ids(urls["library"], "reservation")
        assert promised["tables"] <= _ids(urls["tables"], "booking")
        sent = {row["id"] for row in _rows(urls["notifier"], "SELECT id FROM delivery WHERE state = 'sent'")}
        greatest = {name: max(ids) for name, ids in load.before(float("inf")).items()}
        site.start(*_PROGRAMS)
        assert load.reserve(load.tokens[0], load.books[-1]) > greatest["library"]
        assert load.order(10_000) > greatest["tables"]
        wait_until(lambda: _is_settled(urls), seconds=_SETTLING_SECONDS)
        times = Counter(mail.message_id.strip("<>").partition("@")[0] for mail in site.sink.mails())
        told = Counter(mail.to for mail in site.sink.mails())
        assert {times[str(delivery)] for delivery in sent} <= {1}
        assert max(times.values()) <= 2
        assert told["guest10000@example.org"] == 1
        assert _failing(site) == {f"partner library {number}" for number in (2, 3, 4)}  # none runs here


def test_embedded__lost_and_restored__has_all_it_had_acknowledged_and_goes_on(tmp_path: Path) -> None:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    environment |= {"BOOKWELL_DATA_DIR": str(tmp_path / "data"), "BOOKWELL_USER_PASSWORD": _PASSWORD}
    ours = {"BOOKWELL_TABLES_PORT": str(port), "BOOKWELL_TRUSTED_PROXIES": "1"}
    with run_up(tmp_path, "--only", "library,tables", variables=ours) as up:
        up.wait_until_ready()
        crowd = settle(up, readers=_READERS, limit=_BOOKS, books=_BOOKS, copies=1)
        assert _run(environment, "tables", "create-user", "waiter").returncode == 0
        urls = (f"http://127.0.0.1:{up.port}", f"http://127.0.0.1:{port}")
        load = Load(*urls, crowd.tokens, crowd.books, table=_add_table(urls[1]))

        def back_up() -> Path:
            ended = _run(environment, "backup", str(tmp_path / "backups"))
            assert ended.returncode == 0, ended.stderr
            return Path(ended.stdout.strip())

        made, promised = _backed_up(load, back_up)
        while_running = _run(environment, "restore", str(made), "--force")
    keys = sorted(file.name for file in (up.folder / "keys").glob("*.pem"))
    refused = _run(environment, "restore", str(made))
    for file in [*up.folder.glob("*.sqlite3*"), *(up.folder / "keys").iterdir()]:
        file.unlink()

    restored = _run(environment, "restore", str(made))

    assert (while_running.returncode, "stop it first" in while_running.stderr) == (1, True)
    assert refused.stderr.count("is not empty") == 3, refused.stderr
    assert restored.returncode == 0, restored.stderr
    assert promised["library"] <= _ids(f"sqlite:///{up.folder}/library.sqlite3", "reservation")
    assert promised["tables"] <= _ids(f"sqlite:///{up.folder}/tables.sqlite3", "booking")
    assert sorted(file.name for file in (up.folder / "keys").glob("*.pem")) == keys
    assert {file.stat().st_mode & 0o077 for file in (made, *made.iterdir(), *(up.folder / "keys").glob("*.pem"))} == {0}
    greatest = max(load.before(float("inf"))["library"])
    with run_up(tmp_path, "--only", "library,tables", port=up.port, variables=ours) as second:
        second.wait_until_ready()
        assert load.reserve(load.tokens[0], load.books[-1]) > greatest


@pytest.mark.parametrize("kind", ["mariadb", "postgresql"])
def test_connected__to_a_server__are_named_until_they_end(
    servers: dict[str, str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    url = new_database(servers[kind])
    engine = engine_of(url)
    try:
        monkeypatch.setattr(sessions, "_PATIENCE_SECONDS", 0)
        with engine.connect(), engine.connect():
            connected = sessions.list_connected(url)
        engine.dispose()
        monkeypatch.setattr(sessions, "_PATIENCE_SECONDS", 60)

        assert [each.endswith(", 2 sessions") for each in connected] == [True], connected
        assert sessions.list_connected(url) == []
    finally:
        engine.dispose()
        drop_database(url)


def test_restore__a_file_is_damaged_or_missing__changes_nothing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    environment |= {"BOOKWELL_DATA_DIR": str(tmp_path / "data")}
    assert _run(environment, "prepare", "tables", "notifier").returncode == 0
    made = Path(_run(environment, "backup", str(tmp_path / "backups")).stdout.strip())
    file = tmp_path / "data" / "tables.sqlite3"
    with closing((made / "tables.sqlite3").open("r+b")) as stream:
        stream.seek(100)
        stream.write(b"damaged")
    (made / "notifier.sqlite3").unlink()
    before = file.read_bytes()

    ended = _run(environment, "restore", str(made), "--force")

    assert ended.returncode == 1
    assert "tables.sqlite3 is not what was saved" in ended.stderr
    assert "notifier.sqlite3 is missing" in ended.stderr
    assert file.read_bytes() == before
    assert _run(environment, "restore", str(tmp_path)).returncode == 1
    assert _run(environment, "restore", str(made), "--check").returncode == 1
    assert [each for each in (tmp_path / "backups").iterdir() if each != made] == []


@pytest.mark.parametrize(
    ("prepared", "changes", "told"),
    [
        (False, {}, "no database holds anything"),
        (True, {"BOOKWELL_TABLES_DATABASE_URL_FILE": "/nowhere"}, "BOOKWELL_TABLES_DATABASE_URL_FILE"),
    ],
)
def test_backup__without_the_settings_of_the_services__is_refused(
    tmp_path: Path, *, prepared: bool, changes: dict[str, str], told: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    environment |= {"BOOKWELL_DATA_DIR": str(tmp_path / "data")}
    if prepared:
        assert _run(environment, "prepare", "notifier").returncode == 0

    ended = _run(environment | changes, "backup", str(tmp_path / "backups"))

    assert (ended.returncode, told in ended.stderr, ended.stdout) == (1, True, ""), ended.stderr
    assert list(tmp_path.glob("backups/*")) == []


def test_backup__a_database_is_away__leaves_nothing_half_done(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOOKWELL_")}
    environment |= {
        "BOOKWELL_DATA_DIR": str(tmp_path / "data"),
        "BOOKWELL_TABLES_DATABASE_URL": "postgresql://me:hush-hush@127.0.0.1:1/tables",
    }
    assert _run(environment, "prepare", "notifier").returncode == 0

    ended = _run(environment, "backup", str(tmp_path / "backups"))

    assert ended.returncode == 1
    assert "hush-hush" not in ended.stdout + ended.stderr
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize("program", ["mariadb", "mariadb-dump"])
@pytest.mark.parametrize(("query", "is_verified"), [("", "FALSE"), ("?ssl_ca=/etc/ca.pem", "TRUE")])
def test_options_for_mariadb__its_programs__understand_them(
    tmp_path: Path, query: str, is_verified: str, program: str
) -> None:
    file = tmp_path / "options.cnf"
    file.write_text(mysql_options(f"mysql://bookwell:secret@db.example/bookwell{query}", is_mariadb=False))

    said = subprocess.run(  # noqa: S603 -- a program of the database's
        [program, f"--defaults-extra-file={file}", "--help", "--verbose"], capture_output=True, text=True, check=False
    )

    values = dict(line.split(maxsplit=1) for line in said.stdout.splitlines() if len(line.split(maxsplit=1)) == 2)
    assert said.returncode == 0, said.stderr
    assert (values["ssl"], values["ssl-verify-server-cert"]) == ("TRUE", is_verified)

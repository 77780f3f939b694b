"""The log table with real processes and a real database: who writes, what a kill costs, and what nobody waits for."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from sqlalchemy import Engine, delete, func, inspect, select, text

from bookwell.kit.adapters.sqlalchemy import engine_of, reading, writing
from bookwell.kit.adapters.sqlalchemy.log_table import LogTable, ensure_log_table, log_record
from bookwell.kit.log_records import LogRecord
from tests.e2e.embedded import wait_until
from tests.infrastructure import drop_database, new_database

_PATIENCE_SECONDS = 60
_BEGIN = """
import os, signal, sys, time
import structlog
from bookwell.kit import log_sink
from bookwell.kit.logs import configure
log_sink.LogSink.stop.__defaults__ = (50,)  # seconds that an ending process gives: two are few on a busy machine
configure({"level": "ERROR", "service": sys.argv[2], "table": {
    "level": "INFO", "url": sys.argv[1], "writer": "bookwell.kit.adapters.sqlalchemy.log_table.LogTable"}})
log = structlog.get_logger()
def tell(first, last):
    for number in range(first, last):
        log.info("told", number=number, pid=os.getpid())
"""


@pytest.fixture(scope="module")
def log_url() -> Iterator[str]:
    if connection.vendor == "sqlite":
        url = f"sqlite:///{Path(os.environ['BOOKWELL_DATA_DIR']) / 'logs-under-test.sqlite3'}"
    else:
        url = new_database(os.environ["BOOKWELL_LIBRARY_DATABASE_URL"])
    ensure_log_table(url)
    yield url
    if not url.startswith("sqlite"):
        drop_database(url)


@pytest.fixture
def logs(log_url: str) -> Iterator[Engine]:
    engine = engine_of(log_url)
    with writing(engine) as session:
        session.execute(delete(log_record))
    yield engine
    engine.dispose()


def start(script: str, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.DEVNULL)  # noqa: S603


def run(script: str, *arguments: str) -> int:
    return start(script, *arguments).wait(_PATIENCE_SECONDS)


def numbers(logs: Engine, service: str) -> list[int]:
    wanted = select(log_record.c.fields).where(log_record.c.service == service).order_by(log_record.c.id)
    with reading(logs) as session:
        return [json.loads(fields)["number"] for fields in session.scalars(wanted)]


def test_sink__two_processes_at_once__every_record_is_stored_once(log_url: str, logs: Engine) -> None:
    processes = [start(_BEGIN + "tell(0, 2000)", log_url, service) for service in ("one", "two")]

    assert [process.wait(_PATIENCE_SECONDS) for process in processes] == [0, 0]

    for service in ("one", "two"):
        assert numbers(logs, service) == list(range(2000))


def test_sink__forked_while_it_works__both_processes_store_their_own(
    log_url: str, logs: Engine, tmp_path: Path
) -> None:
    script = """
tell(0, 100)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.01)
tell(100, 200)
child = os.fork()
tell(1000, 1100) if child == 0 else tell(200, 300)
if child:
    os.waitpid(child, 0)
"""
    go_on = tmp_path / "go-on"

    forking = start(_BEGIN + script, log_url, "forking", str(go_on))
    wait_until(lambda: len(numbers(logs, "forking")) == 100)  # the thread has a connection now
    go_on.touch()

    assert forking.wait(_PATIENCE_SECONDS) == 0
    assert sorted(numbers(logs, "forking")) == [*range(300), *range(1000, 1100)]


def test_sink__a_child_of_multiprocessing_ends__has_stored_its_records(log_url: str, logs: Engine) -> None:
    script = """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=tell, args=(0, 50))
child.start()
child.join()
"""

    assert run(_BEGIN + script, log_url, "server") == 0

    assert numbers(logs, "server") == list(range(50))


def test_sink__killed__loses_at_most_what_waited(log_url: str, logs: Engine, tmp_path: Path) -> None:
    script = """
tell(0, 700)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.01)
tell(700, 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""
    go_on = tmp_path / "go-on"

    killed = start(_BEGIN + script, log_url, "killed", str(go_on))
    wait_until(lambda: len(numbers(logs, "killed")) == 700)
    go_on.touch()

    assert killed.wait(_PATIENCE_SECONDS) == -signal.SIGKILL

    stored = numbers(logs, "killed")
    assert stored[:700] == list(range(700))
    assert stored == list(range(len(stored)))


def test_sink__the_database_accepts_and_never_answers__requests_are_served_and_drops_counted() -> None:
    script = """
import json, threading
import django
django.setup()
from django.test import Client
from prometheus_client import REGISTRY
from bookwell.kit import log_sink
[sink] = log_sink._opened.values()
sink._capacity = 20
callers = set()
write = sink._writer.write
def watch(records):
    callers.add(threading.current_thread().name)
    write(records)
sink._writer.write = watch
statuses = [Client().get("/api/nothing/", HTTP_HOST="localhost").status_code for _ in range(10)]
deadline = time.monotonic() + 40
while not callers and time.monotonic() < deadline:
    time.sleep(0.05)
statuses += [Client().get("/api/nothing/", HTTP_HOST="localhost").status_code for _ in range(90)]
dropped = REGISTRY.get_sample_value("bookwell_log_records_dropped_total")
print(json.dumps({"statuses": sorted(set(statuses)), "callers": sorted(callers), "dropped": dropped}))
os._exit(0)
"""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted: list[socket.socket] = []
        threading.Thread(target=lambda: accepted.append(silent.accept()[0]), daemon=True).start()
        port = silent.getsockname()[1]
        environment = os.environ | {
            "BOOKWELL_LOG_DATABASE_URL": f"mysql://nobody@127.0.0.1:{port}/logs",
            "BOOKWELL_LOG_DATABASE_LEVEL": "INFO",
            "DJANGO_SETTINGS_MODULE": "bookwell.library.config.settings",
        }
        command = [sys.executable, "-c", "import os, time\n" + script]
        output = subprocess.check_output(command, env=environment, timeout=_PATIENCE_SECONDS)  # noqa: S603

    told: dict[str, Any] = json.loads(output.splitlines()[-1])
    for peer in accepted:
        peer.close()
    assert len(accepted) == 1
    assert (told["statuses"], told["callers"]) == ([404], ["log-sink"])
    assert told["dropped"] >= 70


def test_write__the_longest_and_oddest_text__fits(log_url: str, logs: Engine) -> None:
    table = LogTable(log_url)
    record = LogRecord(
        2**53, "s" * 32, "critical", "ł" * 200, "r" * 64, "l" * 100, '{"text":"' + "🂡" * 14_000 + '"}', "f" * 32
    )

    table.write([record] * 3)

    table.close()
    with reading(logs) as session:
        rows = session.execute(select(*[column for column in log_record.c if column.name != "id"])).all()
    assert [LogRecord(*row) for row in rows] == [record] * 3


def test_ensure__by_many_at_once_and_again__makes_one_table(log_url: str, logs: Engine) -> None:
    with writing(logs) as session:
        session.execute(log_record.insert().values(
            at=1, service="x", level="info", event="e", request_id="", logger="", fields="{}"
        ))  # fmt: skip
        log_indexes = {index["name"] for index in inspect(session).get_indexes("log_record")}
    script = f"from bookwell.kit.adapters.sqlalchemy.log_table import ensure_log_table; ensure_log_table({log_url!r})"

    processes = [start(script) for _ in range(3)]

    assert [process.wait(_PATIENCE_SECONDS) for process in processes] == [0, 0, 0]
    with reading(logs) as session:
        assert session.scalar(select(func.count()).select_from(log_record)) == 1
    assert log_indexes == {f"log_record_{name}" for name in ("at", "level", "service", "event", "request", "trace")}


@pytest.mark.only_on("mysql")
@pytest.mark.parametrize("is_old", [False, True])
def test_ensure__texts_of_the_table__are_compared_byte_by_byte(log_url: str, logs: Engine, is_old: bool) -> None:
    if is_old:  # as the first version made it
        with writing(logs) as session:
            session.execute(text("ALTER TABLE log_record CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"))
            session.execute(text("UPDATE log_schema SET version = 1"))

    ensure_log_table(log_url)

    with writing(logs) as session:
        session.execute(log_record.insert().values(
            at=1, service="x", level="info", event="Ändern", request_id="", logger="", fields="{}"
        ))  # fmt: skip
        counted = [
            session.scalar(select(func.count()).where(log_record.c.event == name)) for name in ("Ändern", "andern")
        ]
    assert counted == [1, 0]


@pytest.mark.parametrize("is_broken_off", [False, True])
def test_ensure__a_table_from_before_traces__has_them_then(log_url: str, logs: Engine, is_broken_off: bool) -> None:
    on_table = " ON log_record" if connection.vendor == "mysql" else ""
    with writing(logs) as session:
        session.execute(text(f"DROP INDEX log_record_trace{on_table}"))
        if not is_broken_off:
            session.execute(text("ALTER TABLE log_record DROP COLUMN trace"))
        session.execute(text("INSERT INTO log_record (at, service, level, event, request_id, logger, fields) "
                             "VALUES (1, 'x', 'info', 'e', '', '', '{}')"))  # fmt: skip
        session.execute(text("UPDATE log_schema SET version = 2"))

    ensure_log_table(log_url)

    with reading(logs) as session:
        assert session.scalar(select(log_record.c.trace)) == ""
        assert "log_record_trace" in {index["name"] for index in inspect(session).get_indexes("log_record")}


@pytest.mark.django_db
def test_ensure__the_table__is_the_one_that_django_migrates(logs: Engine) -> None:
    with reading(logs) as session:
        made = inspect(session)
        columns = {column["name"]: column["nullable"] for column in made.get_columns("log_record")}
        indexes = {index["name"]: index["column_names"] for index in made.get_indexes("log_record")}
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, "log_record")
        constraints = connection.introspection.get_constraints(cursor, "log_record")

    assert {column.name: bool(column.null_ok) for column in described} == columns
    assert {
        name: constraint["columns"]
        for name, constraint in constraints.items()
        if constraint["index"] and not constraint["primary_key"]
    } == indexes

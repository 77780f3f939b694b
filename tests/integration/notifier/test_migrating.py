"""The notifier's tables: made once, whoever comes at the same time, and the same as the code has them."""

import sys
import threading
import time
from pathlib import Path
from typing import cast

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from bookwell.cli.processes import spawn
from bookwell.kit.adapters.sqlalchemy.engines import engine_of, reading, writing
from bookwell.kit.adapters.sqlalchemy.schema_lock import schema_lock
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.models import metadata
from bookwell.notifier.migrating import MIGRATIONS, is_up_to_date, migrate
from tests.notifying import an_envelope, deliveries_of, make_notifier, notifier_url

_MIGRATE = "import sys; from bookwell.notifier.migrating import migrate; migrate(sys.argv[1])"


def test_migrate__the_result__is_what_the_code_has(database: Database) -> None:
    with reading(database.engine) as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": MIGRATIONS.version_table, "compare_type": True, "target_metadata": metadata},
        )
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_is_up_to_date__before_and_after(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.sqlite3'}"
    engine = engine_of(url)
    with reading(engine) as connection:
        before = is_up_to_date(connection)

    migrate(url)

    with reading(engine) as connection:
        assert (before, is_up_to_date(connection)) == (False, True)
    engine.dispose()


def test_migrate__a_newer_version_was_here__leaves_its_tables_and_is_up_to_date(tmp_path: Path) -> None:
    with notifier_url(tmp_path) as url:
        engine = engine_of(url)
        with writing(engine) as connection:
            connection.execute(text(f"UPDATE {MIGRATIONS.version_table} SET version_num = '9999'"))

        migrate(url)

        with reading(engine) as connection:
            assert (list(MIGRATIONS.heads(connection)), is_up_to_date(connection)) == (["9999"], True)
        engine.dispose()


def test_migrate__three_processes_at_once__do_it_once(tmp_path: Path) -> None:
    with notifier_url(tmp_path) as url:
        engine = engine_of(url)
        _drop_everything(url)

        processes = [spawn([sys.executable, "-c", _MIGRATE, url]) for _ in range(3)]
        statuses = [process.wait(60) for process in processes]

        assert statuses == [0, 0, 0]
        with reading(engine) as connection:
            assert is_up_to_date(connection)
        engine.dispose()


def test_migrate__interrupted_after_its_first_table__begins_again(tmp_path: Path) -> None:
    with notifier_url(tmp_path) as url:
        engine = engine_of(url)
        with writing(engine) as connection:
            connection.execute(text(f"DELETE FROM {MIGRATIONS.version_table}"))
            connection.execute(text("DROP TABLE pace"))
            connection.execute(text("DROP TABLE attempt"))

        migrate(url)

        assert set(metadata.tables) <= set(inspect(engine).get_table_names())
        engine.dispose()


def test_migrate__deliveries_from_before_traces_were_kept__have_none(tmp_path: Path) -> None:
    with notifier_url(tmp_path) as url:
        database = Database.of_url(url)
        message = an_envelope(traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        notifier, channel = make_notifier(database)
        notifier.take_in([message])
        with schema_lock(database.engine, MIGRATIONS.lock) as connection:
            config = MIGRATIONS.configuration()
            config.attributes["connection"] = connection
            command.downgrade(config, "0002")
            before = {column["name"] for column in inspect(connection).get_columns("delivery")}

        migrate(url)

        (row,) = deliveries_of(database)
        notifier.deliver_due()
        database.engine.dispose()
    assert "traceparent" not in before
    assert row.traceparent == ""
    assert len(channel.messages) == 1


def _drop_everything(url: str) -> None:
    engine = engine_of(url)
    with writing(engine) as connection:
        for table in ("attempt", "pace", "delivery", MIGRATIONS.version_table):
            connection.execute(text(f"DROP TABLE {table}"))
    engine.dispose()


def test_migrate__another_one_takes_longer_than_a_query_may__waits_for_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setitem(cast("dict[str, object]", engine_of.__kwdefaults__), "answer_seconds", 1)
    is_held, is_ending = threading.Event(), threading.Event()

    def hold() -> None:
        engine = engine_of(url, answer_seconds=None)
        with schema_lock(engine, MIGRATIONS.lock):
            is_held.set()
            time.sleep(1.5)  # longer than an answer may take
            is_ending.set()
        engine.dispose()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait(10)
    migrate(url)
    has_waited = is_ending.is_set()
    holder.join()

    assert has_waited

"""The tables of the service: the same as the code has them, and made once."""

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, inspect

import bookwell.tables.accounts.models
import bookwell.tables.backoffice.models
import bookwell.tables.bookings.models  # noqa: F401 -- declare them
from bookwell.cli.processes import spawn
from bookwell.kit.adapters.sqlalchemy.engines import engine_of, reading
from bookwell.kit.adapters.sqlalchemy.outbox import OutboxTable
from bookwell.kit.adapters.sqlalchemy.schema_lock import schema_lock
from bookwell.kit.request_context import in_trace
from bookwell.tables.bookings.services.ending import cancel_booking
from bookwell.tables.db import Database
from bookwell.tables.migrating import MIGRATIONS, is_up_to_date, migrate
from bookwell.tables.schema import metadata
from tests.infrastructure import drop_database, new_database
from tests.restaurant import NOW, SITE, STAFF, a_table, an_order, booked, tables_url

_MIGRATE = "import sys; from bookwell.tables.migrating import migrate; migrate(sys.argv[1])"


def test_migrate__the_result__is_what_the_code_has(restaurant: Database) -> None:
    options = {"version_table": MIGRATIONS.version_table, "compare_type": True, "target_metadata": metadata}
    with reading(restaurant.engine) as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert differences == []


def test_migrate__checks__are_those_of_the_code(restaurant: Database) -> None:
    inspector = inspect(restaurant.engine)
    for name, table in metadata.tables.items():
        in_code = {str(each.name) for each in table.constraints if isinstance(each, CheckConstraint)}
        in_database = {str(each["name"]) for each in inspector.get_check_constraints(name)}

        assert in_database == in_code, name


def test_migrate__twice__is_done_once(tmp_path: Path) -> None:
    with tables_url(tmp_path) as url:
        migrate(url)

        engine = engine_of(url)
        with reading(engine) as connection:
            assert is_up_to_date(connection)
        engine.dispose()


def test_migrate__orders_that_wait__are_counted_by_their_mailboxes(tmp_path: Path) -> None:
    with tables_url(tmp_path) as url:
        own = Database.of_url(url)
        table = a_table(own)
        emails = ("ada+two@example.org", "+bo@example.org", "")
        waiting = [an_order(own, table.id, email=email, phone="+48601907319").id for email in emails]
        over = an_order(own, table.id, email="cy+two@example.org").id
        what: dict[str, Any] = {"booking_id": over, "actor": STAFF, "public_url": SITE, "now": NOW}
        own.write(lambda connection: cancel_booking(connection, **what))
        _migrate_to(own, "0012", by=command.downgrade)

        _migrate_to(own, "head", by=command.upgrade)

        found = [booked(own, each).mailbox for each in (*waiting, over)]
        own.engine.dispose()
    assert found == ["ada@example.org", "+bo@example.org", "", ""]


def test_migrate__messages_from_before_traces_were_kept__have_none_and_go_out(tmp_path: Path) -> None:
    with tables_url(tmp_path) as url:
        own = Database.of_url(url)
        with in_trace(f"00-{'a' * 32}-{'b' * 16}-01"):
            an_order(own, a_table(own).id)
        _migrate_to(own, "0014", by=command.downgrade)

        _migrate_to(own, "head", by=command.upgrade)

        (claimed,) = OutboxTable("tables", own.engine).claim(now=NOW + dt.timedelta(days=1), limit=10).rows
        own.engine.dispose()
    assert (claimed.envelope.type, claimed.envelope.traceparent) == ("booking.requested", "")


def _migrate_to(database: Database, revision: str, *, by: Callable[[Config, str], None]) -> None:
    with schema_lock(database.engine, MIGRATIONS.lock) as connection:
        config = MIGRATIONS.configuration()
        config.attributes["connection"] = connection
        by(config, revision)


def test_migrate__three_processes_at_once__do_it_once(tmp_path: Path) -> None:
    server = os.environ.get("BOOKWELL_LIBRARY_DATABASE_URL", "")
    is_server = server.startswith("postgres")
    url = new_database(server) if is_server else f"sqlite:///{tmp_path / 'new.sqlite3'}"

    processes = [spawn([sys.executable, "-c", _MIGRATE, url]) for _ in range(3)]
    statuses = [process.wait(60) for process in processes]

    assert statuses == [0, 0, 0]
    engine = engine_of(url)
    with reading(engine) as connection:
        assert is_up_to_date(connection)
    engine.dispose()
    if is_server:
        drop_database(url)

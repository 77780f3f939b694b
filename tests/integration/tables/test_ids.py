"""An id that was told means one thing for ever, whatever is deleted, migrated or brought back from a backup."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, delete, func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from bookwell.cli.backup.stores import SKIPPED_IDS, store_of
from bookwell.kit.adapters.sqlalchemy.engines import engine_of, reading, writing
from bookwell.kit.adapters.sqlalchemy.schema_lock import schema_lock
from bookwell.tables.bookings.models import booking, booking_step, feed_event, guest_token
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.forgetting import forget_guest
from bookwell.tables.db import Database
from bookwell.tables.floor.models import closure, occupancy
from bookwell.tables.floor.services.occupying import close_in_tx
from bookwell.tables.migrating import MIGRATIONS
from bookwell.tables.schema import metadata
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, tables_url
from tests.waiters import an_account

HOUR = dt.timedelta(hours=1)
_LATER = (
    "ALTER TABLE booking ADD COLUMN mailbox VARCHAR(320) NOT NULL DEFAULT ''",
    "ALTER TABLE outbox ADD COLUMN traceparent VARCHAR(55) NOT NULL DEFAULT ''",
    "ALTER TABLE closure ADD COLUMN opened_by VARCHAR(64) NOT NULL DEFAULT ''",
    "ALTER TABLE closure ADD COLUMN opened_reason TEXT NOT NULL DEFAULT ''",
)
"""What later migrations bring, and today's code needs."""
COUNTED = ("account", "booking", "closure", "dining_table")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A database that nobody else has left rows in."""
    with tables_url(tmp_path) as url:
        database = Database.of_url(url)
        yield database
        database.engine.dispose()


def _at(url: str, revision: str) -> None:
    """Migrate a database so far and no further."""
    engine = engine_of(url)
    with schema_lock(engine, MIGRATIONS.lock) as connection:
        config = MIGRATIONS.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def _rows(database: Database) -> dict[str, Any]:
    def read(connection: Connection) -> dict[str, Any]:
        there = set(inspect(connection).get_table_names())
        return {name: connection.execute(select(t)).all() for name, t in metadata.tables.items() if name in there}

    return database.read(read)


def _scheme(database: Database) -> set[tuple[str, str]]:
    """Indexes and triggers."""
    found = text("SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL")
    return database.read(lambda connection: {tuple(row) for row in connection.execute(found)})


def _furnish(database: Database) -> Any:
    """Something in every table that refers to others; the booking that is confirmed."""
    table = a_table(database)
    order = an_order(database, table.id)
    what: dict[str, Any] = {"booking_id": order.id, "actor": STAFF, "public_url": SITE, "now": NOW}
    database.write(lambda connection: accept_booking(connection, **what))
    period: dict[str, Any] = {"starts_at": EVENING + 9 * HOUR, "ends_at": EVENING + 10 * HOUR}
    closed: dict[str, Any] = {"is_restaurant": False, "reason": "paint: it's wet", "actor": "staff:7", "now": NOW}
    database.write(lambda connection: close_in_tx(connection, table_ids=[table.id], **period, **closed))
    an_account(database)
    return order


def test_migrate__a_restaurant_in_use__keeps_every_row_index_and_rule(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'used.sqlite3'}"
    _at(url, "0007")
    before = Database.of_url(url)
    before.write(lambda connection: [connection.execute(text(statement)) for statement in _LATER])
    order = _furnish(before)
    rows, scheme = _rows(before), _scheme(before)
    before.engine.dispose()

    _at(url, "0008")

    after = Database.of_url(url)
    told = {name: content for name, content in _rows(after).items() if name in rows}
    assert told == rows
    assert all(rows[each.name] for each in (booking, booking_step, guest_token, occupancy, closure, feed_event))
    assert scheme <= _scheme(after)
    with writing(after.engine) as connection:
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        with pytest.raises(IntegrityError):
            connection.execute(delete(booking).where(booking.c.id == order.id))
    with reading(after.engine) as connection:
        counted = set(connection.scalars(text("SELECT name FROM sqlite_sequence")))
    assert set(COUNTED) <= counted
    after.engine.dispose()


@pytest.mark.parametrize("name", COUNTED)
def test_id__of_the_last_row_that_is_gone__is_not_given_again(own: Database, name: str) -> None:
    _furnish(own)
    table = metadata.tables[name]
    last = own.read(lambda connection: connection.scalar(select(func.max(table.c.id))))
    own.write(_clear)

    _furnish(own)

    assert last
    assert own.read(lambda connection: connection.scalar(select(func.min(table.c.id)))) > last


def _clear(connection: Connection) -> None:
    """Delete every row that is not there from the start."""
    for table in reversed(metadata.sorted_tables):
        if table.name not in {"restaurant", "feed_head"}:
            connection.execute(delete(table))


def test_restore__of_a_file__what_was_ordered_after_the_backup_has_its_id_to_itself(tmp_path: Path) -> None:
    url, saved = f"sqlite:///{tmp_path / 'used.sqlite3'}", tmp_path / "saved.sqlite3"
    _at(url, "head")
    own = Database.of_url(url)
    table = a_table(own)
    store_of(url).save(saved)
    lost = an_order(own, table.id)
    own.write(lambda connection: forget_guest(connection, booking_id=lost.id, now=EVENING + 9000 * HOUR))
    own.engine.dispose()

    store_of(url).fill(saved)
    again = an_order(own, table.id)

    events = own.read(lambda connection: list(connection.scalars(select(feed_event.c.id))))
    assert again.id == SKIPPED_IDS + 1 > lost.id
    own.engine.dispose()
    assert events == [SKIPPED_IDS + 1]

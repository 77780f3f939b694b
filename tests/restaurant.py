"""What tests of tables share: a database of its own, a house, orders for an evening far enough from now."""

import atexit
import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, select
from sqlalchemy.event import listen, remove

from bookwell.kit.adapters.sqlalchemy.engines import engine_of
from bookwell.tables.bookings.models import booking, booking_at_table, outbox
from bookwell.tables.bookings.rules import Actor, Exemption
from bookwell.tables.bookings.services.placing import OrderRequest, place_order
from bookwell.tables.db import Database
from bookwell.tables.floor.models import occupancy
from bookwell.tables.floor.queries import DiningTable
from bookwell.tables.floor.rules import TableType
from bookwell.tables.floor.services.tables import add_table
from bookwell.tables.migrating import migrate
from tests.infrastructure import drop_database, new_database

__all__ = [
    "EVENING",
    "NOW",
    "SITE",
    "STAFF",
    "a_table",
    "an_order",
    "booked",
    "counted",
    "holders",
    "mails",
    "tables_database",
    "tables_url",
]

NOW = dt.datetime(2030, 5, 6, 10, 0, tzinfo=dt.UTC)
EVENING = dt.datetime(2030, 5, 7, 16, 0, tzinfo=dt.UTC)
"""Six in Warsaw, the day after."""
SITE = "https://tables.example.org"
STAFF = Actor("staff", "7")
_URL = "BOOKWELL_LIBRARY_DATABASE_URL"


@contextmanager
def tables_url(folder: Path) -> Iterator[str]:
    """The address of a new, migrated database: PostgreSQL when that is under test, else SQLite."""
    server = os.environ.get(_URL, "sqlite")
    if not server.startswith("postgres"):
        url = f"sqlite:///{folder / 'tables.sqlite3'}"
        migrate(url)
        yield url
        return
    url = new_database(server, template=_migrated(server))
    try:
        yield url
    finally:
        drop_database(url)


@cache
def _migrated(server: str) -> str:
    """The name of a migrated database to copy, made once a process: copying takes less than migrating."""
    url = new_database(server)
    migrate(url)
    atexit.register(drop_database, url)
    return urlsplit(url).path.lstrip("/")


@contextmanager
def tables_database(folder: Path, *, connections: int = 8) -> Iterator[Database]:
    """A new, migrated database."""
    with tables_url(folder) as url:
        database = Database(engine_of(url, connections=connections))
        yield database
        database.engine.dispose()


def a_table(database: Database, **values: Any) -> DiningTable:
    """A table of the hall for four, at 25.00."""
    wanted = {"name": "", "table_type": TableType.REGULAR, "seats": 4, "price": 2500, "can_be_booked": True, **values}
    return database.write(lambda connection: add_table(connection, now=NOW, **wanted))


def an_order(
    database: Database,
    table_id: int,
    *,
    starts_at: dt.datetime = EVENING,
    exemption: Exemption = Exemption.COUNTS,
    **values: Any,
) -> Any:
    """An order of two, for the house's 90 minutes."""
    wanted = {"party_size": 2, "name": "Ada", "email": "ada@example.org", **values}
    request = OrderRequest(table_id=table_id, starts_at=starts_at, **wanted)
    return database.write(
        lambda connection: place_order(connection, request=request, public_url=SITE, now=NOW, exemption=exemption)
    )


def booked(database: Database, booking_id: int) -> Any:
    """The booking as it is."""
    chosen = booking_at_table.where(booking.c.id == booking_id)
    return database.read(lambda connection: connection.execute(chosen).one())


def holders(database: Database, table_id: int) -> list[Any]:
    """What holds a table, first to last."""
    chosen = select(occupancy).where(occupancy.c.table_id == table_id).order_by(occupancy.c.starts_at)
    return database.read(lambda connection: list(connection.execute(chosen)))


def mails(database: Database, booking_id: int, *, kind: str = "booking") -> list[Any]:
    """The outbox's rows about a booking, in order."""
    chosen = select(outbox).where(outbox.c.aggregate == f"{kind}:{booking_id}").order_by(outbox.c.id)
    return database.read(lambda connection: list(connection.execute(chosen)))


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that the database is sent meanwhile, but for those about transactions."""
    statements: list[str] = []

    def remember(*event: Any) -> None:
        if not event[2].startswith(("BEGIN", "SAVEPOINT")):
            statements.append(event[2])

    listen(engine, "before_cursor_execute", remember)
    try:
        yield statements
    finally:
        remove(engine, "before_cursor_execute", remember)

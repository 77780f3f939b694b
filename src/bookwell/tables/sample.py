"""The sample restaurant that `bookwell up --demo` loads: a house with its hours, tables of all types, people."""

import datetime as dt
from collections.abc import Mapping

from sqlalchemy import Connection, select

from bookwell.kit import clock
from bookwell.tables.accounts.models import account
from bookwell.tables.accounts.passwords import hash_password
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services.accounts import create_account
from bookwell.tables.db import Database
from bookwell.tables.floor.locks import lock_restaurant
from bookwell.tables.floor.models import dining_table
from bookwell.tables.floor.rules import House, Span, TableType
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.floor.services.tables import add_table

__all__ = ["is_empty", "load_sample"]

_DAY, _NIGHT = (Span(opens=12 * 60, closes=closes * 60) for closes in (23, 25))
_HOUSE = House(
    name="Under the Linden",
    opening=((_DAY,),) * 4 + ((_NIGHT,),) * 2 + ((_DAY,),),
    staff_email="staff@bookwell.example",
)
_TABLES = (
    ("Window 1", TableType.REGULAR, 2, 1000),
    ("Window 2", TableType.REGULAR, 2, 1000),
    ("Hall 1", TableType.REGULAR, 2, 0),
    ("Hall 2", TableType.REGULAR, 4, 0),
    ("Hall 3", TableType.REGULAR, 4, 0),
    ("Hall 4", TableType.REGULAR, 6, 1500),
    ("Red cabin", TableType.CABIN, 4, 2500),
    ("Green cabin", TableType.CABIN, 4, 2500),
    ("Blue cabin", TableType.CABIN, 6, 3500),
    ("Library room", TableType.ROOM, 8, 8000),
    ("Garden room", TableType.ROOM, 12, 12000),
    ("Ballroom", TableType.ROOM, 30, 30000),
)
"""Names, types, seats, and prices in hundredths."""


def is_empty(connection: Connection) -> bool:
    """Whether nobody uses this database yet."""
    used = (select(table.c.id).limit(1) for table in (account, dining_table))
    return all(connection.scalar(chosen) is None for chosen in used)


def load_sample(database: Database, *, passwords: Mapping[str, str], roles: Mapping[str, str]) -> None:
    """Load everything in one transaction; nothing happens unless the database is empty.

    `passwords` and `roles` by username. A role that the restaurant does not know gives no rights here.
    """
    hashes = {name: hash_password(password) for name, password in passwords.items()}
    people = {name: (hashes[name], _role_of(role)) for name, role in roles.items()}
    now = clock.now()
    database.write(lambda connection: _load(connection, people, now))


def _load(connection: Connection, people: Mapping[str, tuple[str, Role]], now: dt.datetime) -> None:
    lock_restaurant(connection)
    if not is_empty(connection):
        return
    keep_house_in_tx(connection, house=_HOUSE, now=now)
    for name, kind, seats, price in _TABLES:
        add_table(connection, name=name, table_type=kind, seats=seats, price=price, can_be_booked=True, now=now)
    for username, (password_hash, role) in people.items():
        create_account(connection, username=username, password_hash=password_hash, role=role, now=now)


def _role_of(role: str) -> Role:
    return Role(role) if role in set(Role) else Role.READER

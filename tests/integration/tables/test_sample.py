"""The sample restaurant."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bookwell.tables.accounts.models import account
from bookwell.tables.accounts.passwords import is_right
from bookwell.tables.db import Database
from bookwell.tables.floor.queries import Wish, get_house, list_tables
from bookwell.tables.floor.rules import TableType, is_open
from bookwell.tables.sample import is_empty, load_sample
from tests.restaurant import NOW, a_table, tables_database

ROLES = {"admin": "admin", "staff": "staff", "reader": "reader", "librarian": "librarian"}
PASSWORDS = dict.fromkeys(ROLES, "a long demo password")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    with tables_database(tmp_path) as database:
        yield database


def test_load_sample__an_empty_database__has_tables_of_every_type_and_people(own: Database) -> None:
    assert own.read(is_empty)

    for _ in range(2):
        load_sample(own, passwords=PASSWORDS, roles=ROLES)

    now = NOW.replace(year=2100)
    tables = own.read(lambda connection: list_tables(connection, Wish(), now=now))
    assert len(tables) == 12
    assert {table.table_type for table in tables} == set(TableType)
    assert max(table.price for table in tables) > 0
    people = own.read(lambda connection: connection.execute(select(account)).all())
    assert {row.username: row.role for row in people} == {**ROLES, "librarian": "reader"}
    assert is_right("a long demo password", people[0].password_hash)
    assert not own.read(is_empty)


def test_load_sample__every_evening__is_open(own: Database) -> None:
    load_sample(own, passwords=PASSWORDS, roles=ROLES)
    house = own.read(get_house)

    evenings = [dt.datetime(2030, 5, 6 + day, 18, tzinfo=house.zone) for day in range(7)]

    assert all(is_open(house, evening, evening + dt.timedelta(hours=3)) for evening in evenings)


def test_load_sample__somebody_has_a_table__changes_nothing(own: Database) -> None:
    a_table(own, name="mine")

    load_sample(own, passwords=PASSWORDS, roles=ROLES)

    assert own.read(lambda connection: connection.scalar(select(func.count()).select_from(account))) == 0
    assert own.read(get_house).name == "Restaurant"

"""The runner on SQLAlchemy: what is run again, what is not, and what a violated constraint becomes."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from bookwell.kit.adapters.sqlalchemy.engines import engine_of
from bookwell.kit.adapters.sqlalchemy.failures import failure_of
from bookwell.kit.adapters.sqlalchemy.transactions import run_in_transaction
from bookwell.kit.errors import Conflict
from bookwell.kit.failures import ATTEMPTS, ATTEMPTS_TO_LOCK, DatabaseUnavailable, Failure
from bookwell.kit.idempotency import TryAgain
from bookwell.tables.db import Database
from bookwell.tables.floor.errors import TableNameTaken
from bookwell.tables.floor.models import dining_table
from tests.restaurant import a_table


def _one(connection: Connection) -> int:
    return int(connection.execute(text("SELECT 1")).scalar_one())


class _Deadlock(Exception):
    sqlstate = "40P01"


class _LockTimeOut(Exception):
    sqlstate = "55P03"


class _ConnectionLost(Exception):
    sqlstate = "57P01"


class _Failing:
    """Work that the database gives up a number of times."""

    def __init__(self, reason: type[Exception], times: int) -> None:
        self.reason = reason
        self.times = times
        self.runs = 0

    def __call__(self, _connection: Connection) -> int:
        self.runs += 1
        if self.runs <= self.times:
            raise OperationalError("INSERT", {}, self.reason())
        return self.runs


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = engine_of(f"sqlite:///{tmp_path / 'runner.sqlite3'}")
    yield made
    made.dispose()


def test_run_in_transaction__given_up_twice__runs_a_third_time(engine: Engine) -> None:
    assert run_in_transaction(engine, _Failing(_Deadlock, 2), constraints={}) == 3


@pytest.mark.parametrize(
    ("reason", "runs", "error"),
    [
        (_Deadlock, ATTEMPTS, TryAgain),
        (_LockTimeOut, ATTEMPTS_TO_LOCK, TryAgain),
        (_ConnectionLost, 1, DatabaseUnavailable),
    ],
)
def test_run_in_transaction__never_succeeds__ends(
    engine: Engine, reason: type[Exception], runs: int, error: type[Exception]
) -> None:
    work = _Failing(reason, 99)

    with pytest.raises(error):
        run_in_transaction(engine, work, constraints={})

    assert work.runs == runs


def test_run_in_transaction__a_wrong_statement__is_not_run_again(restaurant: Database) -> None:
    runs: list[int] = []

    def work(connection: Connection) -> None:
        runs.append(1)
        connection.execute(text("SELECT missing FROM restaurant"))

    with pytest.raises(Exception, match="missing"):
        restaurant.write(work)

    assert len(runs) == 1


def test_run_in_transaction__refused__wrote_nothing(restaurant: Database) -> None:
    def work(connection: Connection) -> None:
        values = {"name": "refused", "table_type": "regular", "seats": 2, "can_be_booked": True, "version": 1}
        connection.execute(insert(dining_table).values(**values))
        raise Conflict

    with pytest.raises(Conflict):
        restaurant.write(work)

    left = select(dining_table.c.id).where(dining_table.c.name == "refused")
    assert restaurant.read(lambda connection: connection.scalar(left)) is None


def test_write__a_name_twice__is_refused_by_its_constraint(restaurant: Database) -> None:
    a_table(restaurant, name="by the window")

    with pytest.raises(TableNameTaken):
        a_table(restaurant, name="by the window")


def test_write__a_constraint_that_nobody_named__stays_what_it_is(restaurant: Database) -> None:
    with pytest.raises(IntegrityError):
        a_table(restaurant, seats=0)


def test_connection__ended_by_the_server_while_idle__is_replaced_before_it_is_used(restaurant: Database) -> None:
    asked = Database(engine_of(restaurant.engine.url.render_as_string(hide_password=False), connections=1))
    before = asked.read(_one)
    if restaurant.engine.dialect.name == "postgresql":  # a file ends no connections
        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
        restaurant.read(lambda connection: connection.execute(text(f"{others} AND pid <> pg_backend_pid()")).all())

    after = [asked.read(_one), asked.write(_one)]

    asked.engine.dispose()
    assert [before, *after] == [1, 1, 1]


def test_of_url__a_database_without_exclusion__is_refused() -> None:
    with pytest.raises(SystemExit):
        Database.of_url("mysql://user@127.0.0.1/tables")


def test_failure_of__sqlite__by_its_primary_code() -> None:
    busy = sqlite3.OperationalError("locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY | 0x200

    assert failure_of(OperationalError("BEGIN", {}, busy)) is Failure.WAITED

"""Statements that are sent together: in which order they run, and what becomes of their errors."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, func, insert, literal, select, text
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, ProgrammingError, StatementError

from bookwell.kit.adapters.sqlalchemy.statements import Statement, ask, ask_together, send_later
from bookwell.kit.errors import Conflict
from bookwell.kit.failures import DatabaseUnavailable
from bookwell.kit.idempotency import TryAgain
from bookwell.tables.bookings.models import reminder_opt_out as opt_out
from bookwell.tables.db import Database

_KEEP = Statement(insert(opt_out))
_COUNT = Statement(
    select(func.count().label("kept")).select_from(opt_out).where(opt_out.c.contact_digest.startswith(bindparam("of")))
)
_TOO_LATE = "9" * 30


@pytest.fixture
def of(request: pytest.FixtureRequest) -> str:
    """What the rows of one test begin with."""
    return f"{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def one(restaurant: Database) -> Iterator[Database]:
    """The same database through one connection."""
    database = Database.of_url(restaurant.engine.url.render_as_string(hide_password=False), connections=1)
    yield database
    database.engine.dispose()


def _row(of: str, number: int) -> dict[str, Any]:
    return {"contact_digest": f"{of}{number}".ljust(64, "0"), "at": number}


def _keep(connection: Connection, of: str, *numbers: int) -> None:
    for number in numbers:
        send_later(connection, _KEEP(**_row(of, number)))


def _kept(connection: Connection, of: str) -> int:
    return int(ask(connection, _COUNT(of=of))[0].kept)


def test_send_later__what_is_asked_next__is_behind_it(restaurant: Database, of: str) -> None:
    def work(connection: Connection) -> list[int]:
        _keep(connection, of, 1, 2)
        by_us = _kept(connection, of)
        _keep(connection, of, 3)
        by_sqlalchemy = connection.scalar(select(func.count()).where(opt_out.c.contact_digest.startswith(of)))
        _keep(connection, of, 4)
        return [by_us, by_sqlalchemy or 0]

    assert restaurant.write(work) == [2, 3]
    assert restaurant.read(lambda connection: _kept(connection, of)) == 4


def test_send_later__a_refusal_behind_it__leaves_nothing_and_the_connection_works_on(one: Database, of: str) -> None:
    def work(connection: Connection) -> None:
        _keep(connection, of, 1)
        _kept(connection, of)
        _keep(connection, of, 2)
        raise Conflict

    for _ in range(2):
        with pytest.raises(Conflict):
            one.write(work)

    assert one.read(lambda connection: _kept(connection, of)) == 0


@pytest.mark.parametrize("is_last", [False, True])
def test_send_later__violates_a_constraint__is_what_the_caller_calls_it(
    one: Database, of: str, *, is_last: bool
) -> None:
    met: list[Exception] = []

    def refuse(error: Exception) -> Exception:
        met.append(error)
        return Conflict()

    def work(connection: Connection) -> None:
        _keep(connection, of, 1)
        send_later(connection, _KEEP(**_row(of, 1)), refuse=refuse)
        if not is_last:
            _kept(connection, of)

    with pytest.raises(Conflict):
        one.write(work)

    assert [type(error) for error in met] == [IntegrityError]
    assert one.read(lambda connection: _kept(connection, of)) == 0


def test_send_later__violates_a_constraint__nobody_calls_it_anything_and_what_was_sent_is_not_told(
    one: Database, of: str
) -> None:
    with pytest.raises(IntegrityError) as error:
        one.write(lambda connection: _keep(connection, of, 1, 1))

    assert of not in str(error.value).replace(str(error.value.orig), "")
    assert one.read(lambda connection: _kept(connection, of)) == 0


def test_ask_together__each__has_rows_of_its_own(restaurant: Database) -> None:
    told = Statement(
        select(bindparam("name", type_=opt_out.c.contact_digest.type).label("name"), literal(None).label("empty"))
    )

    rows = restaurant.read(lambda connection: ask_together(connection, told(name="a"), told(name="żółć 'b'")))

    assert [[(row.name, row.empty) for row in each] for each in rows] == [[("a", None)], [("żółć 'b'", None)]]


def test_ask__a_value_is_missing__is_our_fault(restaurant: Database) -> None:
    with pytest.raises((KeyError, StatementError), match="of"):
        restaurant.read(lambda connection: ask(connection, _COUNT()))


def test_ask__a_wrong_statement__is_told_as_sqlalchemy_tells_it(one: Database) -> None:
    wrong = Statement(select(text("missing")).select_from(opt_out))

    with pytest.raises((ProgrammingError, OperationalError), match="missing"):
        one.read(lambda connection: ask(connection, wrong()))

    assert one.read(lambda connection: connection.scalar(select(literal(1)))) == 1


@pytest.mark.only_on("postgresql")  # SQLite keeps them
def test_send_later__a_text_with_nul__is_never_cut(one: Database, of: str) -> None:
    with pytest.raises(ValueError, match="NUL"):
        one.write(lambda connection: send_later(connection, _KEEP(contact_digest=f"{of}\0", at=1)))

    assert one.read(lambda connection: _kept(connection, of)) == 0


def test_ask__more_than_any_buffer_holds__is_answered(one: Database) -> None:
    told = Statement(select(func.length(bindparam("long", type_=opt_out.c.contact_digest.type)).label("characters")))
    long = "ż" * 3_000_000

    rows = one.read(lambda connection: ask_together(connection, *[told(long=long)] * 4))

    assert [row[0].characters for row in rows] == [3_000_000] * 4


@pytest.mark.only_on("postgresql")
class TestOnPostgresql:
    """What only a server can do."""

    @pytest.mark.parametrize("is_last", [False, True])
    def test_write__its_connection_is_ended_meanwhile__is_not_done_and_the_next_one_is(
        self, one: Database, restaurant: Database, of: str, *, is_last: bool
    ) -> None:
        def work(connection: Connection) -> None:
            _keep(connection, of, 1)
            _kept(connection, of)
            driver: Any = connection.connection.driver_connection
            end = text("SELECT pg_terminate_backend(:pid, 5000)")
            restaurant.read(lambda other: other.execute(end, {"pid": driver.info.backend_pid}))
            _keep(connection, of, 2)
            if not is_last:
                _kept(connection, of)

        with pytest.raises(DatabaseUnavailable):
            one.write(work)

        assert one.read(lambda connection: _kept(connection, of)) == 0
        one.write(lambda connection: _keep(connection, of, 3))
        assert one.read(lambda connection: _kept(connection, of)) == 1

    def test_write__the_server_was_told_to_forget_what_it_had_prepared__is_run_again(
        self, one: Database, of: str
    ) -> None:
        one.write(lambda connection: _keep(connection, of, 1))
        one.read(lambda connection: connection.execute(text("DEALLOCATE ALL")))

        one.write(lambda connection: _keep(connection, of, 2))

        assert one.read(lambda connection: _kept(connection, of)) == 2

    def test_write__waits_for_a_lock_in_vain__tries_again_and_gives_up(self, one: Database, of: str) -> None:
        one.write(lambda connection: connection.execute(text("SET lock_timeout = 50")))
        rival = Database.of_url(one.engine.url.render_as_string(hide_password=False), connections=1)

        def hold(connection: Connection) -> None:
            connection.execute(insert(opt_out).values(**_row(of, 1)))
            with pytest.raises(TryAgain):
                one.write(lambda mine: _keep(mine, of, 1))

        rival.write(hold)

        rival.engine.dispose()

    def test_write__a_number_too_large__is_an_error_of_data(self, one: Database, of: str) -> None:
        with pytest.raises(DataError):
            one.write(lambda connection: send_later(connection, _KEEP(contact_digest=of, at=int(_TOO_LATE))))

    def test_ask__a_parameter_of_another_type__is_our_fault(self, one: Database, of: str) -> None:
        with pytest.raises(TypeError):
            one.read(lambda connection: ask(connection, _COUNT(of=[of])))

        assert one.read(lambda connection: _kept(connection, of)) == 0


@pytest.mark.only_on("postgresql")
def test_ask__the_server_has_forgotten_its_statements__is_answered(one: Database, of: str) -> None:
    def forget(connection: Connection) -> None:
        connection.execute(text("DEALLOCATE ALL"))  # as the driver does after some rollbacks

    one.write(lambda connection: _keep(connection, of, 1))
    assert one.read(lambda connection: _kept(connection, of)) == 1
    one.read(forget)

    assert one.read(lambda connection: _kept(connection, of)) == 1
    one.read(forget)
    one.write(lambda connection: _keep(connection, of, 2))

    assert one.read(lambda connection: _kept(connection, of)) == 2

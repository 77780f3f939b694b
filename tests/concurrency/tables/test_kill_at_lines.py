"""`kill -9` behind every single statement of a use case: before the commit nothing is there, behind it everything.

Each use case runs in children of this process, one for each statement: forked, because starting one takes seconds.
"""

import datetime as dt
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NoReturn

import pytest
from sqlalchemy import Connection, event, select

from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.kit.errors import DomainError
from bookwell.kit.idempotency import Answer, IdempotencyKey, InFlight, fingerprint_of
from bookwell.kit.ids import new_id
from bookwell.tables.api.answers import json_answer
from bookwell.tables.bookings.rules import Exemption, State
from bookwell.tables.bookings.services.closing import Closing, close_tables
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.moving import move_booking
from bookwell.tables.bookings.services.placing import OrderRequest, place_order
from bookwell.tables.db import Database
from bookwell.tables.schema import idempotency_key, metadata
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked
from tests.table_invariants import assert_tables_are_sound

# The child of a process with threads may call little; these only talk to the database, with a connection of their
# own, and one that hung would be ended by its alarm.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

COMMIT = "(committed)"
HOUR = dt.timedelta(hours=1)
_CHILD_SECONDS = 30
_TRIES = 20
_BY_STAFF: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}


@dataclass(frozen=True, slots=True)
class Case:
    """A use case on rows of its own, and the states of the table's bookings once it has happened."""

    database: Database
    table_id: int
    work: Callable[[Connection], Answer]
    expected: dict[State, int]
    key: IdempotencyKey

    def run(self, database: Database) -> Answer:
        """Do it as the API does it; a child that was killed may hold its key for a moment."""
        store = IdempotencyStore(idempotency_key, lifetime=24 * HOUR)
        for _ in range(_TRIES):
            try:
                return store.run(database.write, self.work, key=self.key, render=_refusal)
            except InFlight:
                continue
        raise AssertionError("the key of a killed process was never set free")

    def look(self) -> dict[str, Any]:
        """Every row there is."""

        def read(connection: Connection) -> dict[str, Any]:
            return {
                table.name: sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables
            }

        return self.database.read(read)

    def assert_done_once(self) -> None:
        """It happened, whole, and once."""
        booking = metadata.tables["booking"]
        chosen = select(booking.c.state).where(booking.c.table_id == self.table_id)
        states = self.database.read(lambda connection: list(connection.scalars(chosen)))
        assert {state: states.count(state) for state in set(states)} == self.expected
        assert_tables_are_sound(self.database, now=NOW)


def _ordering(database: Database) -> Case:
    """A guest orders."""
    table = a_table(database)
    request = OrderRequest(table.id, EVENING, 2, email="ada@example.org")
    told: dict[str, Any] = {"request": request, "public_url": SITE, "now": NOW, "exemption": Exemption.COUNTS}

    def work(connection: Connection) -> Answer:
        return json_answer({"id": place_order(connection, **told).id}, status=201)

    return Case(database, table.id, work, {State.REQUESTED: 1}, _new_key())


def _accepting(database: Database) -> Case:
    """An order is confirmed beside another one for the same time."""
    table = a_table(database)
    order, _ = an_order(database, table.id), an_order(database, table.id)

    def work(connection: Connection) -> Answer:
        return json_answer({"state": accept_booking(connection, booking_id=order.id, **_BY_STAFF).state})

    return Case(database, table.id, work, {State.REQUESTED: 1, State.CONFIRMED: 1}, _new_key())


def _moving(database: Database) -> Case:
    """A booking leaves its table to who waits for it."""
    table, other = a_table(database), a_table(database)
    order = an_order(database, other.id)
    an_order(database, other.id)
    database.write(lambda connection: accept_booking(connection, booking_id=order.id, **_BY_STAFF))

    def work(connection: Connection) -> Answer:
        moved = move_booking(connection, booking_id=order.id, table_id=table.id, **_BY_STAFF)
        return json_answer({"table_id": moved.table_id})

    return Case(database, table.id, work, {State.CONFIRMED: 1}, _new_key())


def _closing(database: Database) -> Case:
    """A table is closed over a booking, who waits for it, and one after it that stays."""
    table = a_table(database)
    inside, _, later = (an_order(database, table.id, starts_at=EVENING + h * HOUR) for h in (0, 0, 3))
    for booking_id in (inside.id, later.id):
        database.write(partial(accept_booking, booking_id=booking_id, **_BY_STAFF))
    closing = Closing(table.id, EVENING, EVENING + 2 * HOUR, "a pipe burst")

    def work(connection: Connection) -> Answer:
        return json_answer(len(close_tables(connection, closing=closing, is_dry_run=False, **_BY_STAFF)))

    return Case(database, table.id, work, {State.CANCELLED: 1, State.DECLINED: 1, State.CONFIRMED: 1}, _new_key())


def _new_key() -> IdempotencyKey:
    return IdempotencyKey(scope="kill", key=new_id(), fingerprint=fingerprint_of("the same request"))


@pytest.mark.parametrize("new_case", [_ordering, _accepting, _moving, _closing])
def test_killed_behind_any_statement__all_of_it_is_there_or_nothing_and_the_same_key_makes_it_once(
    own: Database, new_case: Callable[[Database], Case]
) -> None:
    for number in count(1):
        case = new_case(own)
        before = case.look()

        said = _run_in_child_and_kill(case, after=number)

        is_committed = said[-1] == COMMIT
        if not is_committed:
            assert case.look() == before, said
        else:
            case.assert_done_once()
        left = case.look()
        answer = case.run(own)
        case.assert_done_once()
        assert case.look() == left or not is_committed, said
        assert case.run(own) == answer
        assert len(case.look()["idempotency_key"]) == len(before["idempotency_key"]) + 1
        if is_committed:
            break
    assert number > 8, said


def test_confirmed_but_never_answered__is_confirmed(own: Database) -> None:
    case = _accepting(own)

    said = _run_in_child_and_kill(case, after=10_000)

    states = [booked(own, number).state for number in (1, 2)]
    assert said[-1] == COMMIT
    assert states == [State.CONFIRMED, State.REQUESTED]


def _run_in_child_and_kill(case: Case, *, after: int) -> list[str]:
    """Run the use case in a child that is killed behind so many statements, or behind the commit if there are fewer.

    Answers what the child sent to its database.
    """
    case.database.engine.dispose()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _live_and_die(case, after, writing)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), (status, said)
    assert os.WTERMSIG(status) == signal.SIGKILL, (status, said)
    return said


def _live_and_die(case: Case, after: int, writing: int) -> NoReturn:
    """The child: it says each statement that was executed, and never goes back to the tests."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_CHILD_SECONDS)
        url = case.database.engine.url.render_as_string(hide_password=False)
        database = Database.of_url(url, backoffice="office")
        _end_with(database, _End(writing, after))
        case.run(database)
    except BaseException as error:  # noqa: BLE001 -- the parent sees it in what was said
        os.write(writing, f"{error!r}\n".encode())
    finally:
        os._exit(1)


@dataclass(slots=True)
class _End:
    """What ends a child."""

    writing: int
    after: int
    statements: int = 0

    def behind_statement(self, _connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        """SQLAlchemy's hook behind every statement."""
        self.statements += 1
        self.say(" ".join(statement.split()))
        if self.statements == self.after:
            self.come()

    def say(self, line: str) -> None:
        """Tell the parent."""
        os.write(self.writing, f"{line[:100]}\n".encode())

    def come(self) -> NoReturn:
        """The process is gone."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed, and still here")


def _end_with(database: Database, end: _End) -> None:
    dialect = database.engine.dialect
    commit = dialect.do_commit

    def commit_and_die(connection: Any) -> None:
        commit(connection)
        if end.statements:
            end.say(COMMIT)
            end.come()

    with database.engine.connect():
        event.listen(database.engine, "after_cursor_execute", end.behind_statement)
        dialect.do_commit = commit_and_die  # type: ignore[method-assign,assignment]  # the one place of every commit


def _refusal(error: DomainError) -> Answer:
    """What a second run comes to before it finds the first one's answer; as the first answer it would do nothing."""
    return Answer(409, error.code.encode())

"""`kill -9` behind every single statement of the tables service's use cases."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy import Connection, event, func, select

from bookwell.kit.adapters.sqlalchemy import pipeline
from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.kit.idempotency import Answer, IdempotencyKey, fingerprint_of
from bookwell.kit.ids import new_id
from bookwell.tables.api.answers import json_answer
from bookwell.tables.bookings.rules import Exemption, State
from bookwell.tables.bookings.services.closing import Closing, close_tables
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.moving import move_booking
from bookwell.tables.bookings.services.placing import OrderRequest, place_order
from bookwell.tables.db import Database
from bookwell.tables.schema import idempotency_key, metadata
from tests.concurrency.killing import (
    COMMIT,
    THREADS_ARE_NO_MATTER,
    End,
    assert_all_or_nothing_behind_every_statement,
    refusal,
    run_in_child_and_kill,
    when_the_key_is_free,
)
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked
from tests.table_invariants import assert_tables_are_sound

pytestmark = pytest.mark.filterwarnings(THREADS_ARE_NO_MATTER)

HOUR = dt.timedelta(hours=1)
_BY_STAFF: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}


@dataclass(frozen=True, slots=True)
class Case:
    """A use case on rows of its own, and the states of the table's bookings once it has happened."""

    database: Database
    table_id: int
    work: Callable[[Connection], Answer]
    expected: dict[State, int]
    key: IdempotencyKey

    def run(self) -> Answer:
        """Do it as the API does it."""
        return self._run_on(self.database)

    def look(self) -> dict[str, Any]:
        """Every row there is."""

        def read(connection: Connection) -> dict[str, Any]:
            return {
                table.name: sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables
            }

        return self.database.read(read)

    def count_keys(self) -> int:
        """How many Idempotency-Keys are kept."""
        number = select(func.count()).select_from(idempotency_key)
        return int(self.database.read(lambda connection: connection.scalar(number)) or 0)

    def assert_done_once(self) -> None:
        """It happened, whole, and once."""
        booking = metadata.tables["booking"]
        chosen = select(booking.c.state).where(booking.c.table_id == self.table_id)
        states = self.database.read(lambda connection: list(connection.scalars(chosen)))
        assert {state: states.count(state) for state in set(states)} == self.expected
        assert_tables_are_sound(self.database, now=NOW)

    def close_connections(self) -> None:
        """Let go of what a child must not share."""
        self.database.engine.dispose()

    def live(self, end: End) -> None:
        """Do it, on a connection that tells `end`."""
        url = self.database.engine.url.render_as_string(hide_password=False)
        database = Database.of_url(url, backoffice="office")
        _tell(database, end)
        self._run_on(database)

    def _run_on(self, database: Database) -> Answer:
        store = IdempotencyStore(idempotency_key, lifetime=24 * HOUR)
        return when_the_key_is_free(lambda: store.run(database.write, self.work, key=self.key, render=refusal))


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


def _tell(database: Database, end: End) -> None:
    dialect = database.engine.dialect
    commit = dialect.do_commit

    def commit_and_tell(connection: Any) -> None:
        commit(connection)
        end.come_behind_commit()

    def tell(_connection: Any, cursor: Any, statement: str, *_others: Any) -> None:
        if cursor is not None:  # what is sent together is told of by the wire
            end.come_behind(statement)

    with database.engine.connect():
        event.listen(database.engine, "after_cursor_execute", tell)
        dialect.do_commit = commit_and_tell  # type: ignore[method-assign,assignment]  # the one place of every commit
    _tell_of_the_wire(end)


def _tell_of_the_wire(end: End) -> None:
    """Of statements that are sent together, let the server have each before it is told of."""
    send = pipeline._send  # noqa: SLF001 -- the one place where they leave

    def send_and_tell(connection: Any, *others: Any) -> list[bytes]:
        return send(cast("Any", _Wire(connection, end)), *others)

    setattr(pipeline, "_send", send_and_tell)  # noqa: B010 -- of a child, which will not live to regret it


@dataclass(frozen=True, slots=True)
class _Wire:
    """A connection that tells of what has left."""

    connection: Any
    end: End

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def send_query_prepared(self, name: bytes, *others: Any) -> None:
        """Send one statement of several."""
        self.connection.send_query_prepared(name, *others)
        self.connection.send_flush_request()
        self.connection.flush()
        if name != pipeline.COMMIT[0].name:  # which is told of when it is answered
            self.end.come_behind(name.decode())


@pytest.mark.parametrize("new_case", [_ordering, _accepting, _moving, _closing])
def test_killed_behind_any_statement__all_of_it_is_there_or_nothing_and_the_same_key_makes_it_once(
    own: Database, new_case: Callable[[Database], Case]
) -> None:
    assert_all_or_nothing_behind_every_statement(partial(new_case, own))


def test_confirmed_but_never_answered__is_confirmed(own: Database) -> None:
    case = _accepting(own)

    said = run_in_child_and_kill(case, after=10_000)

    states = [booked(own, number).state for number in (1, 2)]
    assert said[-1] == COMMIT
    assert states == [State.CONFIRMED, State.REQUESTED]

"""How the databases find bookings among many that are over."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.event import listen, remove

from bookwell.kit.pages import Position
from bookwell.tables.bookings.queries import Board, list_active, list_to_escalate, list_waiting_past
from bookwell.tables.bookings.rules import State
from bookwell.tables.db import Database
from tests.restaurant import NOW, a_table, tables_database

# Ten a day for years; of the last ones, which are still to come, half are confirmed.
_BOOKINGS = """
INSERT INTO booking (table_id, state, version, starts_at, ends_at, time_zone, party_size, price, name, email, phone,
  comment, locale, from_address, made_by, made_at, slot_taken, decided_version, backoffice_ref, reason)
WITH RECURSIVE number (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 20000)
SELECT :table_id, CASE WHEN i > 18000 THEN CASE WHEN i % 2 = 0 THEN 'confirmed' ELSE 'cancelled' END
  WHEN i % 8 < 4 THEN 'completed' WHEN i % 8 = 4 THEN 'cancelled' WHEN i % 8 = 5 THEN 'declined'
  WHEN i % 8 = 6 THEN 'expired' ELSE 'no_show' END, 1, CAST(i AS BIGINT) * 8640000,
  CAST(i AS BIGINT) * 8640000 + 5400000, 'Europe/Warsaw', 2, 0, '', '', '', '', 'en', '', 'staff', 0, false, 0, '', ''
FROM number
"""


def _plan_of(connection: Connection, work: Callable[[Connection], Any]) -> str:
    """How the one statement of a work is done."""
    sent: list[tuple[str, Any]] = []

    def remember(*event: Any) -> None:
        if event[2].startswith("SELECT"):
            sent.append((event[2], event[3]))

    listen(connection, "before_cursor_execute", remember)
    work(connection)
    remove(connection, "before_cursor_execute", remember)
    ((statement, parameters),) = sent
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    steps = connection.exec_driver_sql(f"{explain} {statement}", parameters)
    return "\n".join(str(step[-1]) for step in steps)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A restaurant with a past."""
    with tables_database(tmp_path_factory.mktemp("old")) as database:
        values = {"table_id": a_table(database).id}
        database.write(lambda connection: connection.execute(text(_BOOKINGS), values))
        database.write(lambda connection: connection.execute(text("ANALYZE booking")))
        yield database


@pytest.mark.parametrize("position", [Position(), Position(key=(165_000_000_000, 7), is_backward=True)])
def test_list_active__years_of_bookings_are_over__does_not_walk_through_them(old: Database, position: Position) -> None:
    board = Board(frozenset({State.CONFIRMED}))

    plan = old.read(lambda c: _plan_of(c, partial(list_active, board=board, position=position, limit=51)))

    assert "booking_board" in plan, plan
    assert "Filter" not in plan


@pytest.mark.parametrize(
    ("find", "index"), [(list_waiting_past, "booking_waiting"), (list_to_escalate, "booking_escalation")]
)
def test_deadlines__years_of_bookings_have_none_left__are_found_among_those_that_have(
    old: Database, find: Callable[..., Any], index: str
) -> None:
    plan = old.read(lambda c: _plan_of(c, partial(find, now=NOW, limit=100)))

    assert index in plan, plan
    assert not re.search("Filter|SCAN|Seq", plan), plan

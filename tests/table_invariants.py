"""What must never happen to a restaurant's tables, as one check over the database."""

import datetime as dt
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Table, select

from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.bookings.models import booking, booking_step, feed_event, outbox
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services.publishing import CALLED
from bookwell.tables.db import Database
from bookwell.tables.floor.models import closure, dining_table, occupancy

__all__ = ["HOLDING", "assert_tables_are_sound"]

HOLDING = frozenset({State.CONFIRMED, State.SEATED})
_TOLD = frozenset({"ordered", "set", "confirmed", "declined", "expired", "cancelled", "moved"})
"""The steps that a guest is told of; that guests sit, have gone or never came they know themselves."""

Period = tuple[int, int]


def assert_tables_are_sound(database: Database, *, now: dt.datetime, buffer_minutes: int = 15) -> None:
    """All that one look at the database can show, where the cleaning time has always been the same."""
    database.read(lambda connection: _Floor(connection, buffer_minutes * 60_000).check(milliseconds(now)))


class _Floor:
    """Everything in the database at one moment."""

    def __init__(self, connection: Connection, buffer: int) -> None:
        def rows(table: Table) -> list[Any]:
            return list(connection.execute(select(table)))

        self.buffer = buffer
        self.bookings, self.steps, self.holds = rows(booking), rows(booking_step), rows(occupancy)
        self.closures, self.tables, self.messages = rows(closure), rows(dining_table), rows(outbox)
        self.events = rows(feed_event)
        self.called = connection.get_execution_options().get(CALLED, "")

    def check(self, now: int) -> None:
        self._held_is_what_is_confirmed()
        self._nobody_meets_at_a_table()
        self._closures_hold_what_nobody_sits_at(now)
        self._flags_are_true(now)
        self._waiting_orders_have_deadlines()
        self._each_version_has_its_step()
        self._each_change_is_told_once()
        self._each_version_is_an_event()

    def _held_is_what_is_confirmed(self) -> None:
        held = {row.booking_id: (row.table_id, row.starts_at, row.ends_at) for row in self.holds if row.booking_id}
        expected = {row.id: (row.table_id, *self._needed(row)) for row in self.bookings if row.state in HOLDING}
        assert held == expected

    def _nobody_meets_at_a_table(self) -> None:
        kept: dict[int, list[Period]] = defaultdict(list)
        for row in self.bookings:
            if row.state in HOLDING:
                kept[row.table_id].append(self._needed(row))
        for table_id, periods in kept.items():
            assert all(one[1] <= other[0] for one, other in pairwise(sorted(periods))), table_id
        closed = [(row.table_id, row.starts_at, row.ends_at) for row in self.holds if row.kind == "closure"]
        for table_id, starts_at, ends_at in closed:
            assert not [p for p in kept[table_id] if p[0] < ends_at and starts_at < p[1]], table_id

    def _closures_hold_what_nobody_sits_at(self, now: int) -> None:
        """A standing closure keeps its tables from now on, but for the time of guests who were there before it."""
        standing = {row.id: row for row in self.closures if row.opened_at is None}
        pieces: dict[tuple[int, int], list[Period]] = defaultdict(list)
        for row in self.holds:
            if row.kind == "closure":
                assert row.closure_id in standing
                pieces[row.table_id, row.closure_id].append((row.starts_at, row.ends_at))
        for each in standing.values():
            own = [row.id for row in self.tables if row.id == each.table_id]
            for table_id in own or [row.id for row in self.tables if row.retired_at is None]:
                bookings = [b for b in self.bookings if b.table_id == table_id and b.state in HOLDING]
                kept = [self._needed(row) for row in bookings] + pieces[table_id, each.id]
                assert _covers(kept, (max(each.starts_at, now), each.ends_at)), (table_id, each.id)

    def _flags_are_true(self, now: int) -> None:
        """Of orders that can still be confirmed."""
        for row in self.bookings:
            if row.decide_by is not None and row.decide_by <= now:
                continue
            starts_at, ends_at = self._needed(row)
            near = [h for h in self.holds if h.table_id == row.table_id]
            is_taken = any(h.starts_at < ends_at and starts_at < h.ends_at for h in near)
            assert row.slot_taken == (row.state == State.REQUESTED and is_taken), row.id

    def _waiting_orders_have_deadlines(self) -> None:
        for row in self.bookings:
            assert (row.decide_by is not None) == (row.state == State.REQUESTED), row.id
            assert row.decide_by is None or row.decide_by <= row.starts_at, row.id

    def _each_version_has_its_step(self) -> None:
        noted: dict[int, list[int]] = defaultdict(list)
        last: dict[int, str] = {}
        for step in sorted(self.steps, key=lambda step: (step.booking_id, step.version)):
            noted[step.booking_id].append(step.version)
            last[step.booking_id] = step.state
        assert noted == {row.id: list(range(1, row.version + 1)) for row in self.bookings}
        assert last == {row.id: row.state for row in self.bookings}

    def _each_change_is_told_once(self) -> None:
        reachable = {row.id for row in self.bookings if row.email or row.phone}
        changes = [step for step in self.steps if step.action in _TOLD and step.booking_id in reachable]
        expected = Counter((f"booking:{step.booking_id}", step.version) for step in changes)
        notices = [row for row in self.messages if row.queue == "mail" and row.aggregate.startswith("booking:")]
        assert Counter((row.aggregate, row.aggregate_version) for row in notices) == expected
        escalated = Counter(row.aggregate for row in self.messages if row.aggregate.startswith("escalation:"))
        assert all(number == 1 for number in escalated.values()), escalated

    def _each_version_is_an_event(self) -> None:
        """In the feed and, where the back office is called, as a webhook of the same id."""
        versions = Counter((step.booking_id, step.version) for step in self.steps)
        assert Counter((event.booking_id, event.version) for event in self.events) == versions
        calls = {row.event_id: row.aggregate_version for row in self.messages if row.queue == "webhook"}
        assert calls == ({event.event_id: event.version for event in self.events} if self.called else {})

    def _needed(self, row: Any) -> Period:
        return row.starts_at, row.ends_at + self.buffer


def _covers(periods: list[Period], wanted: Period) -> bool:
    reached = wanted[0]
    for starts_at, ends_at in sorted(periods):
        if starts_at <= reached:
            reached = max(reached, ends_at)
    return reached >= wanted[1]

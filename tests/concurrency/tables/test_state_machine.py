"""Anything that can happen at a few tables, in any order: all invariants and the model's bookings after each step."""

import datetime as dt
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bookwell.tables.bookings.rules import Decision, State
from bookwell.tables.db import Database
from tests.concurrency.lives import LIVES_SECONDS, lives
from tests.concurrency.tables.model_restaurant import Booked, ModelRestaurant, Placed
from tests.restaurant import EVENING
from tests.table_invariants import HOLDING

# Two evenings, so close to one another that most bookings of a table meet.
some_time = st.builds(
    lambda day, half_hours: EVENING + dt.timedelta(days=day - 1, minutes=30 * half_hours),
    st.integers(0, 1),
    st.integers(-4, 4),
)
some_minutes = st.sampled_from([30, 60, 90, 120])
some_hours = st.one_of(st.none(), st.integers(1, 3))
any_number = st.integers(0, 99)
some_price = st.sampled_from([0, 999, 4500])
MARKS = [State.SEATED, State.SEATED, State.COMPLETED, State.NO_SHOW]


class RestaurantMachine(RuleBasedStateMachine):
    """Few rules, each with several ways: hypothesis chooses among rules first, and none should be rare."""

    database: ClassVar[Database]

    @initialize(placed=st.lists(st.tuples(st.integers(0, 1), some_time), max_size=6))
    def open_the_doors(self, placed: list[tuple[int, dt.datetime]]) -> None:
        self.house = ModelRestaurant(self.database)
        self.house.open_doors()
        for table, starts_at in placed:
            self.house.place(self.house.tables[table], starts_at, 90)

    @rule(number=any_number, starts_at=some_time, minutes=some_minutes, by_guest=st.booleans())
    def book(self, number: int, starts_at: dt.datetime, minutes: int, by_guest: bool) -> None:
        take = self.house.place if by_guest else self.house.set_by_staff
        take(self._table(number), starts_at, minutes)

    @precondition(lambda self: self.house.booked)
    @rule(
        number=any_number,
        way=st.sampled_from(["accept", "accept", "decline", "all_taken", "say"]),
        decision=st.sampled_from(Decision),
        version=st.integers(-1, 1),
    )
    def decide(self, number: int, way: str, decision: Decision, version: int) -> None:
        chosen = self._booked(number)
        if way == "accept":
            self.house.accept(chosen)
        elif way == "decline":
            self.house.decline(chosen)
        elif way == "all_taken":
            self.house.decline_all_taken(chosen)
        else:
            self.house.decide(chosen, decision, chosen.version + version)

    @precondition(lambda self: self.house.booked)
    @rule(number=any_number, by_guest=st.booleans())
    def cancel(self, number: int, by_guest: bool) -> None:
        (self.house.cancel_by_guest if by_guest else self.house.cancel)(self._booked(number))

    @precondition(lambda self: self.house.booked)
    @rule(number=any_number, state=st.sampled_from([*MARKS, *State]))
    def mark(self, number: int, state: State) -> None:
        self.house.mark(self._booked(number), state)

    @precondition(lambda self: any(each.state in HOLDING for each in self.house.booked))
    @rule(number=any_number, hours=some_hours, is_house=st.booleans(), is_late=st.booleans())
    def close_while_guests_sit(self, number: int, hours: int | None, is_house: bool, is_late: bool) -> None:
        """They were there first; or nobody has said yet that they have gone."""
        holding = [each for each in self.house.booked if each.state in HOLDING]
        chosen = holding[number % len(holding)]
        if chosen.state is State.CONFIRMED and not is_late:
            self.house.mark(chosen, State.SEATED)
        table = next(each for each in self.house.tables if each.id == chosen.table)
        moment = chosen.ends_at if is_late else chosen.starts_at + dt.timedelta(minutes=30)
        if self.house.now < moment:
            self.house.pass_time(int((moment - self.house.now).total_seconds() / 60), do_jobs=False)
        self.house.close(None if is_house else table, None, hours, is_dry_run=False)
        if number % 2:
            self.house.mark(chosen, State.COMPLETED if chosen.state is State.SEATED else State.NO_SHOW)

    @precondition(lambda self: self.house.booked)
    @rule(number=any_number, table=any_number, starts_at=some_time, minutes=some_minutes)
    def move(self, number: int, table: int, starts_at: dt.datetime, minutes: int) -> None:
        self.house.move(self._booked(number), self._table(table), starts_at, minutes)

    @rule(
        number=any_number,
        starts_at=st.one_of(st.none(), some_time),
        hours=some_hours,
        is_house=st.integers(0, 3).map(lambda n: n == 0),
        is_dry_run=st.booleans(),
    )
    def close(
        self, number: int, starts_at: dt.datetime | None, hours: int | None, is_house: bool, is_dry_run: bool
    ) -> None:
        table = None if is_house else self._table(number)
        self.house.close(table, starts_at, hours, is_dry_run=is_dry_run)

    @rule(number=any_number, starts_at=st.one_of(st.none(), some_time), hours=some_hours, is_house=st.booleans())
    def open(self, number: int, starts_at: dt.datetime | None, hours: int | None, is_house: bool) -> None:
        self.house.reopen(None if is_house else self._table(number), starts_at, hours)

    @rule(
        number=any_number,
        what=st.sampled_from(["add", "remove", "keep", "give", "price", "days_off"]),
        price=some_price,
        days=st.sets(st.integers(0, 1)),
        is_dry_run=st.booleans(),
    )
    def change_the_house(self, number: int, what: str, price: int, days: set[int], is_dry_run: bool) -> None:
        if what == "add":
            self.house.add_table(price)
        elif what == "remove":
            self.house.remove(self._table(number), is_dry_run=is_dry_run)
        elif what == "price":
            self.house.set_price(self._table(number), price)
        elif what == "days_off":
            off = {EVENING.date() + dt.timedelta(days=day - 1) for day in days}
            self.house.take_days_off(off, is_dry_run=is_dry_run)
        else:
            self.house.let_book(self._table(number), can_be_booked=what == "give")

    @rule(minutes=st.sampled_from([30, 60, 130, 250]), do_jobs=st.booleans())
    def let_time_pass(self, minutes: int, do_jobs: bool) -> None:
        self.house.pass_time(minutes, do_jobs=do_jobs)

    @invariant()
    def all_is_well(self) -> None:
        self.house.check()

    def _booked(self, number: int) -> Booked:
        return self.house.booked[number % len(self.house.booked)]

    def _table(self, number: int) -> Placed:
        return self.house.tables[number % len(self.house.tables)]


@pytest.mark.timeout(LIVES_SECONDS)
def test_any_life_of_a_restaurant__keeps_every_promise(own: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RestaurantMachine, "database", own, raising=False)

    run_state_machine_as_test(RestaurantMachine, settings=lives(40))

"""One table, one evening: whatever runs in parallel, no two confirmed bookings overlap, nor one and a closure."""

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bookwell.tables.bookings import queries
from bookwell.tables.bookings.errors import SlotTaken, TooManyOpenOrders
from bookwell.tables.bookings.rules import Actor, Decision, Exemption, State
from bookwell.tables.bookings.services.closing import Closing, close_tables
from bookwell.tables.bookings.services.deciding import accept_booking, decide_booking
from bookwell.tables.bookings.services.ending import cancel_booking
from bookwell.tables.bookings.services.placing import OrderRequest, set_booking
from bookwell.tables.db import Database
from bookwell.tables.floor.services.occupying import occupy_in_tx
from tests.concurrency.racing import Outcome, refusals
from tests.concurrency.racing import race as race_by_django
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, holders

ROUNDS = 20 if os.environ.get("BOOKWELL_CHAOS") else 5
GUESTS = 50
MINUTE = dt.timedelta(minutes=1)

race = partial(race_by_django, by_django=False)

pytestmark = pytest.mark.timeout(600)


def _order(database: Database, table_id: int, guest: int, starts_at: dt.datetime = EVENING) -> Any:
    return an_order(database, table_id, email=f"guest{guest}@example.org", starts_at=starts_at)


def _accept(database: Database, booking_id: int) -> Any:
    actor = Actor("staff", "7")
    return database.write(
        lambda connection: accept_booking(
            connection, booking_id=booking_id, actor=actor, public_url=SITE, now=NOW, reason=""
        )
    )


def _decide(database: Database, booking_id: int) -> Any:
    return database.write(
        lambda connection: decide_booking(
            connection, booking_id=booking_id, decision=Decision.CONFIRM, version=1, public_url=SITE, now=NOW
        )
    )


def _set(database: Database, table_id: int, starts_at: dt.datetime = EVENING) -> Any:
    request = OrderRequest(table_id=table_id, starts_at=starts_at, party_size=2)
    return database.write(
        lambda connection: set_booking(connection, request=request, actor=STAFF, public_url=SITE, now=NOW)
    )


def _close(database: Database, table_id: int, starts_at: dt.datetime, ends_at: dt.datetime) -> Any:
    closing = Closing(table_id=table_id, starts_at=starts_at, ends_at=ends_at, reason="a pipe burst")
    return database.write(
        lambda connection: close_tables(
            connection, closing=closing, actor=STAFF, public_url=SITE, now=NOW, is_dry_run=False
        )
    )


def _assert_apart(database: Database, table_id: int) -> None:
    rows = [row for row in holders(database, table_id) if row.kind == "booking"]
    closed = [row for row in holders(database, table_id) if row.kind == "closure"]
    for number, row in enumerate(rows):
        others = rows[number + 1 :] + closed
        assert all(row.ends_at <= other.starts_at or other.ends_at <= row.starts_at for other in others)


def _losers(outcomes: list[Outcome[Any]]) -> list[SlotTaken]:
    return [outcome.refusal for outcome in outcomes if isinstance(outcome.refusal, SlotTaken)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_confirm__fifty_orders_by_every_way_at_once__one_wins(restaurant: Database, number: int) -> None:
    table = a_table(restaurant)
    a_table(restaurant)
    orders = race([partial(_order, restaurant, table.id, guest) for guest in range(GUESTS)])
    ids = [outcome.value.id for outcome in orders]
    works: list[Callable[[], Any]] = [
        partial([_accept, _decide][place % 2], restaurant, booking_id) for place, booking_id in enumerate(ids[:-5])
    ]
    works += [partial(_set, restaurant, table.id)] * 5

    outcomes = race(works)

    losers = _losers(outcomes)
    states = [booked(restaurant, booking_id).state for booking_id in ids]
    assert len(losers) == GUESTS - 1
    assert all(loser.alternatives for loser in losers)
    assert table.id not in {free.table_id for loser in losers for free in loser.alternatives}
    assert len(holders(restaurant, table.id)) == 1
    assert states.count(State.CONFIRMED) <= 1
    assert set(states) <= {State.REQUESTED, State.CONFIRMED}
    waiting = [booked(restaurant, booking_id) for booking_id in ids]
    assert all(row.slot_taken for row in waiting if row.state == State.REQUESTED)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_confirm__slots_within_each_others_cleaning_time__never_meet(restaurant: Database, number: int) -> None:
    table = a_table(restaurant)
    starts = [EVENING + step * 52 * MINUTE for step in range(4)]
    orders = [_order(restaurant, table.id, guest, starts[guest % 4]) for guest in range(16)]

    outcomes = race([partial(_accept, restaurant, order.id) for order in orders])

    won = [outcome for outcome in outcomes if not outcome.refusal]
    assert len(won) == len(holders(restaurant, table.id))
    assert len(won) in {1, 2}
    _assert_apart(restaurant, table.id)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_close__while_orders_are_confirmed__leaves_nobody_inside(restaurant: Database, number: int) -> None:
    table = a_table(restaurant)
    orders = [_order(restaurant, table.id, guest, EVENING + guest % 3 * 15 * MINUTE) for guest in range(12)]
    period = (EVENING + 60 * MINUTE, EVENING + 120 * MINUTE)
    works: list[Callable[[], Any]] = [partial(_accept, restaurant, order.id) for order in orders]
    works[4:4] = [partial(_close, restaurant, table.id, *period)] * 2

    outcomes = race(works)

    closed = [outcomes[4], outcomes[5]]
    states = {booked(restaurant, order.id).state for order in orders}
    assert all(outcome.refusal is None for outcome in closed)
    assert {row.kind for row in holders(restaurant, table.id)} == {"closure"}
    assert states <= {State.DECLINED, State.CANCELLED}


def test_confirm__without_the_check__the_database_lets_one_win(
    restaurant: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = a_table(restaurant)
    orders = [_order(restaurant, table.id, guest) for guest in range(12)]

    def look_away(*place: Any) -> Any:
        order, around = queries.lock_with_surroundings(*place)
        return order, replace(around, is_held=False)

    monkeypatch.setattr("bookwell.tables.bookings.services.deciding.lock_with_surroundings", look_away)

    outcomes = race([partial(_accept, restaurant, order.id) for order in orders])

    assert len(_losers(outcomes)) == 11
    assert len(holders(restaurant, table.id)) == 1


def test_occupy__without_the_tables_lock__the_database_lets_one_win(restaurant: Database) -> None:
    table = a_table(restaurant)
    orders = [_order(restaurant, table.id, guest) for guest in range(3)]

    def occupy(booking_id: int) -> None:
        period = {"starts_at": EVENING, "ends_at": EVENING + 60 * MINUTE}
        restaurant.write(
            lambda connection: occupy_in_tx(connection, table_id=table.id, booking_id=booking_id, **period)
        )

    outcomes = race([partial(occupy, order.id) for order in orders])

    assert len(_losers(outcomes)) == 2
    assert len(holders(restaurant, table.id)) == 1


def test_order__more_than_a_contact_may_have_at_once__is_refused(restaurant: Database) -> None:
    table = a_table(restaurant)
    order = partial(an_order, restaurant, table.id, exemption=Exemption.NONE)

    outcomes = race([partial(order, email=f"greedy{table.id}+{number}@example.org") for number in range(12)])

    assert refusals(outcomes) == [TooManyOpenOrders] * 7


@pytest.mark.parametrize("number", range(ROUNDS))
def test_cancel__while_it_is_confirmed__ends_cancelled_and_frees_the_table(restaurant: Database, number: int) -> None:
    table = a_table(restaurant)
    order = _order(restaurant, table.id, number)

    def cancel() -> Any:
        return restaurant.write(
            lambda connection: cancel_booking(connection, booking_id=order.id, actor=STAFF, public_url=SITE, now=NOW)
        )

    works: list[Callable[[], Any]] = [cancel, *(partial(verb, restaurant, order.id) for verb in (_accept, _decide))]

    outcomes = race(works)

    assert outcomes[0].refusal is None
    assert booked(restaurant, order.id).state == State.CANCELLED
    assert holders(restaurant, table.id) == []

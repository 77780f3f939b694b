"""Orders and bookings on a database: who holds a table, what is kept, who is told."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from bookwell.kit.errors import DomainError
from bookwell.tables.bookings.errors import (
    DecisionContradicts,
    DecisionOutdated,
    NotConfirmed,
    OrderCancelled,
    OrderExpired,
    SlotTaken,
    StateRefused,
    TableNotBookable,
    TokenUnknown,
    TooLateToCancel,
    TooManyOpenOrders,
)
from bookwell.tables.bookings.models import booking, booking_step, guest_token
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import Decision, Exemption, State
from bookwell.tables.bookings.services import deadlines, deciding, ending, moving, placing
from bookwell.tables.bookings.services.placing import OrderRequest
from bookwell.tables.db import Database
from bookwell.tables.floor.errors import PeriodInvalid, TableNotFound, WallTimeMissing
from bookwell.tables.floor.models import table_price
from bookwell.tables.floor.queries import Wish, list_tables
from bookwell.tables.floor.rules import House, TableType
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.floor.services.occupying import occupy_in_tx
from bookwell.tables.floor.services.tables import set_price
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, holders, mails, tables_database

HOUR = dt.timedelta(hours=1)


def _do(database: Database, verb: Callable[..., Any], **arguments: Any) -> Any:
    arguments = {"now": NOW, **arguments}
    return database.write(lambda connection: verb(connection, **arguments))


def _accept(database: Database, booking_id: int, **arguments: Any) -> Any:
    return _do(database, deciding.accept_booking, booking_id=booking_id, actor=STAFF, public_url=SITE, **arguments)


def _decide(database: Database, booking_id: int, decision: Decision, version: int, **arguments: Any) -> Any:
    told: dict[str, Any] = {"booking_id": booking_id, "decision": decision, "version": version, "public_url": SITE}
    return _do(database, deciding.decide_booking, **{**told, **arguments})


def _facts(database: Database, booking_id: int) -> Any:
    return json.loads(mails(database, booking_id)[-1].payload)["facts"]


def _token(database: Database, booking_id: int, link: str = "cancel_url") -> str:
    return str(parse_qs(urlsplit(str(_facts(database, booking_id)[link])).query)["id"][0])


def _refused(
    database: Database, refusal: type[DomainError], verb: Callable[..., Any], booking_id: int, **arguments: Any
) -> None:
    """Refused, and nothing changed."""
    before, told = booked(database, booking_id), len(mails(database, booking_id))
    with pytest.raises(refusal):
        verb(database, booking_id, **arguments)
    assert booked(database, booking_id) == before
    assert len(mails(database, booking_id)) == told


def test_place_order__takes_the_table_from_nobody(restaurant: Database) -> None:
    table = a_table(restaurant)

    order = an_order(restaurant, table.id)

    row = booked(restaurant, order.id)
    assert (row.state, row.price, row.version, row.slot_taken) == (State.REQUESTED, 2500, 1, False)
    assert row.decide_by == int((NOW + 4 * HOUR).timestamp() * 1000)
    assert row.ends_at - row.starts_at == 90 * 60_000
    assert holders(restaurant, table.id) == []
    assert [row.type for row in mails(restaurant, order.id)] == ["booking.requested"]
    assert an_order(restaurant, table.id).id != order.id


def test_place_order__wall_time__is_the_restaurants(restaurant: Database) -> None:
    table = a_table(restaurant)

    order = an_order(restaurant, table.id, starts_at=EVENING.replace(hour=18, tzinfo=None))

    assert order.starts_at == int(EVENING.timestamp() * 1000)
    with pytest.raises(WallTimeMissing):
        an_order(restaurant, table.id, starts_at=dt.datetime.fromisoformat("2031-03-30T02:30"))
    with pytest.raises(PeriodInvalid):
        an_order(restaurant, table.id, starts_at=dt.datetime.fromisoformat("9999-12-31T23:59Z"))


def test_place_order__no_such_table__is_refused(restaurant: Database) -> None:
    hidden = a_table(restaurant, can_be_booked=False)

    with pytest.raises(TableNotFound):
        an_order(restaurant, 10**9)
    with pytest.raises(TableNotBookable):
        an_order(restaurant, hidden.id)


def test_place_order__more_than_a_contact_may_have__is_refused(restaurant: Database) -> None:
    table = a_table(restaurant)
    many: dict[str, Any] = {"email": "greedy@example.org", "exemption": Exemption.NONE}
    orders = [an_order(restaurant, table.id, **many) for _ in range(5)]

    with pytest.raises(TooManyOpenOrders):
        an_order(restaurant, table.id, **many)

    _accept(restaurant, orders[0].id)
    an_order(restaurant, table.id, **many, starts_at=EVENING + 3 * HOUR)


def test_place_order__price_set_later__keeps_its_own(restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)

    _do(restaurant, set_price, table_id=table.id, price=9900, valid_from=NOW)

    assert booked(restaurant, order.id).price == 2500
    assert an_order(restaurant, table.id).price == 9900
    history = select(func.count()).where(table_price.c.table_id == table.id)
    assert restaurant.read(lambda connection: connection.scalar(history)) == 1


def test_accept__takes_the_table_with_its_cleaning_and_flags_the_others(restaurant: Database) -> None:
    table = a_table(restaurant)
    order, rival, later = (an_order(restaurant, table.id, starts_at=EVENING + h * HOUR) for h in (0, 1, 2))

    confirmed = _accept(restaurant, order.id)

    held = holders(restaurant, table.id)
    assert (confirmed.state, confirmed.version) == (State.CONFIRMED, 2)
    assert [(row.booking_id, row.ends_at - row.starts_at) for row in held] == [(order.id, 105 * 60_000)]
    assert [booked(restaurant, each.id).slot_taken for each in (order, rival, later)] == [False, True, False]
    assert [row.type for row in mails(restaurant, order.id)] == ["booking.requested", "booking.confirmed"]
    chosen = select(booking_step).where(booking_step.c.booking_id == order.id).order_by(booking_step.c.version)
    steps = restaurant.read(lambda connection: connection.execute(chosen).all())
    assert [(step.action, step.actor) for step in steps] == [("ordered", "guest"), ("confirmed", "staff:7")]
    _refused(restaurant, SlotTaken, _accept, rival.id)


def test_accept__what_waits_no_more__is_refused(restaurant: Database) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)

    _refused(restaurant, OrderExpired, _accept, order.id, now=NOW + 4 * HOUR)
    _accept(restaurant, order.id)
    _refused(restaurant, StateRefused, _accept, order.id)


@pytest.mark.parametrize(
    ("ahead", "is_flagged"),
    [(90 + 15, False), (90 + 14, True), (90, True), (-90, True), (-90 - 14, True), (-90 - 15, False)],
)
def test_accept__whose_time_or_cleaning_meets_it__is_flagged(
    restaurant: Database, ahead: int, is_flagged: bool
) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)
    other = an_order(restaurant, table.id, starts_at=EVENING - dt.timedelta(minutes=ahead))

    _accept(restaurant, order.id)

    assert booked(restaurant, other.id).slot_taken is is_flagged


def test_slot_taken__names_free_tables_the_smallest_first(restaurant: Database) -> None:
    cabins = [a_table(restaurant, table_type="cabin", seats=seats) for seats in (903, 902)]
    taken = a_table(restaurant, seats=901)
    order, rival = (an_order(restaurant, taken.id, party_size=900) for _ in range(2))
    _accept(restaurant, order.id)

    with pytest.raises(SlotTaken) as refusal:
        an_order(restaurant, taken.id, party_size=900)

    offered = [cabins[1].id, cabins[0].id]
    assert [free.table_id for free in refusal.value.alternatives] == offered
    with pytest.raises(SlotTaken) as refusal:
        _accept(restaurant, rival.id)
    assert [free.table_id for free in refusal.value.alternatives] == offered


def test_list_tables__by_type_price_and_time(restaurant: Database) -> None:
    room, dear, hidden = (
        a_table(restaurant, table_type="room", seats=700, price=price, can_be_booked=price < 9000)
        for price in (1000, 8000, 9000)
    )
    _accept(restaurant, an_order(restaurant, dear.id).id)

    def found(**wish: Any) -> set[int]:
        wanted = Wish(table_type=TableType(room.table_type), seats=700, **wish)
        return {table.id for table in restaurant.read(lambda connection: list_tables(connection, wanted, now=NOW))}

    assert found() == {room.id, dear.id}
    assert hidden.id not in found(price_min=9000)
    assert found(price_min=8000, price_max=8000) == {dear.id}
    assert found(starts_at=EVENING, ends_at=EVENING + HOUR) == {room.id}
    assert found(starts_at=EVENING + 1.75 * HOUR, ends_at=EVENING + 3 * HOUR) == {room.id, dear.id}


def test_decide__the_same_again_contradictory_and_outdated(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    first = _decide(restaurant, order.id, Decision.CONFIRM, 1, backoffice_ref="A-1")
    again = _decide(restaurant, order.id, Decision.CONFIRM, 1)

    assert (first.state, again.state, again.backoffice_ref) == (State.CONFIRMED, State.CONFIRMED, "A-1")
    assert len(mails(restaurant, order.id)) == 2
    _refused(restaurant, DecisionContradicts, _decide, order.id, decision=Decision.DECLINE, version=1)
    _refused(restaurant, DecisionOutdated, _decide, order.id, decision=Decision.CONFIRM, version=0)


def test_decide__late__has_a_code_of_its_own(restaurant: Database) -> None:
    table = a_table(restaurant)
    expired, cancelled, taken, moved = (an_order(restaurant, table.id) for _ in range(4))
    end: dict[str, Any] = {"actor": STAFF, "public_url": SITE}
    _do(restaurant, ending.cancel_booking, booking_id=cancelled.id, **end)
    later = EVENING + HOUR / 4
    _do(restaurant, moving.move_booking, booking_id=moved.id, starts_at=later, **end)
    _do(restaurant, deadlines.expire_order, booking_id=expired.id, public_url=SITE, now=NOW + 4 * HOUR)
    _do(restaurant, placing.set_booking, request=OrderRequest(table.id, EVENING, 2), **end)

    confirm: dict[str, Any] = {"decision": Decision.CONFIRM, "version": 1}
    _refused(restaurant, OrderExpired, _decide, expired.id, **confirm)
    _refused(restaurant, OrderCancelled, _decide, cancelled.id, **confirm)
    _refused(restaurant, SlotTaken, _decide, taken.id, **confirm)
    _refused(restaurant, DecisionOutdated, _decide, moved.id, **confirm)


def test_decline_all_taken__tells_each_guest_of_free_tables(restaurant: Database) -> None:
    table, free = a_table(restaurant, seats=600), a_table(restaurant, seats=601)
    winner, loser, other = (
        an_order(restaurant, table.id, party_size=599, minutes=60, starts_at=EVENING + h * HOUR) for h in (0, 1, 2)
    )
    with pytest.raises(NotConfirmed):
        _do(restaurant, deciding.decline_all_taken, booking_id=winner.id, actor=STAFF, public_url=SITE)
    _accept(restaurant, winner.id)

    declined = _do(restaurant, deciding.decline_all_taken, booking_id=winner.id, actor=STAFF, public_url=SITE)

    assert [each.id for each in declined] == [loser.id]
    assert booked(restaurant, other.id).state == State.REQUESTED
    facts = _facts(restaurant, loser.id)
    offered = [each["table_id"] for each in facts["alternatives"]]
    assert (facts["state"], facts["cancel_url"]) == ("declined", "")
    assert free.id in offered
    assert table.id not in offered


def test_cancel_by_guest__again__is_the_same_and_tells_once(restaurant: Database) -> None:
    table = a_table(restaurant)
    order, waiting = an_order(restaurant, table.id), an_order(restaurant, table.id)
    _accept(restaurant, order.id)
    token = _token(restaurant, order.id)

    states = [_do(restaurant, ending.cancel_by_guest, token=token, public_url=SITE).state for _ in range(2)]

    assert states == [State.CANCELLED, State.CANCELLED]
    assert holders(restaurant, table.id) == []
    assert not booked(restaurant, waiting.id).slot_taken
    assert [row.type for row in mails(restaurant, order.id)][2:] == ["booking.cancelled"]


def test_cancel_by_guest__wrong_token_or_too_late__is_refused(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    _accept(restaurant, order.id)
    token, view = _token(restaurant, order.id), _token(restaurant, order.id, "booking_url")

    def cancel(database: Database, _booking_id: int, token: str, now: dt.datetime) -> None:
        _do(database, ending.cancel_by_guest, token=token, public_url=SITE, now=now)

    _refused(restaurant, TokenUnknown, cancel, order.id, token=view, now=NOW)
    _refused(restaurant, TokenUnknown, cancel, order.id, token=token[:-1], now=NOW)
    _refused(restaurant, TokenUnknown, cancel, order.id, token=token, now=EVENING + 1.5 * HOUR)
    _refused(restaurant, TooLateToCancel, cancel, order.id, token=token, now=EVENING)


def test_tokens__only_their_digests_are_kept_for_them(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    kept = select(guest_token.c.digest).where(guest_token.c.booking_id == order.id)
    digests = restaurant.read(lambda connection: set(connection.scalars(kept)))

    assert digests == {digest_of(_token(restaurant, order.id, link)) for link in ("cancel_url", "booking_url")}


def test_expire__decided_meanwhile__leaves_it(restaurant: Database) -> None:
    table = a_table(restaurant)
    order, accepted = an_order(restaurant, table.id), an_order(restaurant, table.id, starts_at=EVENING + 3 * HOUR)
    _accept(restaurant, accepted.id)
    late: dict[str, Any] = {"public_url": SITE, "now": NOW + 4 * HOUR}

    ended = [_do(restaurant, deadlines.expire_order, booking_id=each.id, **late) for each in (order, accepted)]

    assert ended == [True, False]
    assert not _do(restaurant, deadlines.expire_order, booking_id=order.id, **late)
    assert [booked(restaurant, each.id).state for each in (order, accepted)] == [State.EXPIRED, State.CONFIRMED]
    assert mails(restaurant, order.id)[-1].type == "booking.expired"


def test_list_expirable__those_past_their_deadline(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    def ids(now: dt.datetime) -> list[int]:
        return restaurant.read(lambda connection: deadlines.list_expirable(connection, now=now, limit=10_000))

    assert order.id not in ids(NOW + 4 * HOUR - dt.timedelta(seconds=1))
    assert order.id in ids(NOW + 4 * HOUR)


def test_escalate__half_way__tells_staff_once(tmp_path: Path) -> None:
    with tables_database(tmp_path) as own:
        house = House(staff_email="staff@example.org")
        own.write(lambda connection: keep_house_in_tx(connection, house=house, now=NOW))
        order = an_order(own, a_table(own).id)

        def escalate(now: dt.datetime) -> tuple[list[int], bool]:
            due = own.read(lambda connection: deadlines.list_escalatable(connection, now=now))
            return due, _do(own, deadlines.escalate_order, booking_id=order.id, now=now)

        early, half_way, again = (escalate(NOW + hours * HOUR) for hours in (1.9, 2, 3))

        assert (early, half_way, again) == (([], False), ([order.id], True), ([], False))
        row = mails(own, order.id, kind="escalation")[0]
        assert (row.type, json.loads(row.payload)["recipient"]["email"]) == ("booking.escalated", "staff@example.org")
        assert booked(own, order.id).version == 1


def test_move__to_another_table__keeps_price_and_length_and_frees_the_old_place(restaurant: Database) -> None:
    table, other = a_table(restaurant), a_table(restaurant, price=7700)
    order, waiting = an_order(restaurant, table.id), an_order(restaurant, table.id)
    _accept(restaurant, order.id)

    where: dict[str, Any] = {"table_id": other.id, "starts_at": EVENING + HOUR, "actor": STAFF, "public_url": SITE}
    moved = _do(restaurant, moving.move_booking, booking_id=order.id, **where)

    assert (moved.price, moved.ends_at - moved.starts_at) == (2500, 90 * 60_000)
    assert holders(restaurant, table.id) == []
    assert [row.booking_id for row in holders(restaurant, other.id)] == [order.id]
    assert not booked(restaurant, waiting.id).slot_taken
    assert mails(restaurant, order.id)[-1].type == "booking.changed"


def test_move__to_a_later_time__takes_the_guests_tokens_along(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    token = _token(restaurant, order.id)
    where: dict[str, Any] = {"starts_at": EVENING + 24 * HOUR, "actor": STAFF, "public_url": SITE}

    _do(restaurant, moving.move_booking, booking_id=order.id, **where)

    late: dict[str, Any] = {"token": token, "public_url": SITE, "now": EVENING + 23 * HOUR}
    assert _do(restaurant, ending.cancel_by_guest, **late).state == State.CANCELLED


def test_move__onto_another_booking_or_once_over__is_refused(restaurant: Database) -> None:
    table = a_table(restaurant)
    first, second = (an_order(restaurant, table.id, starts_at=EVENING + h * HOUR) for h in (0, 2))
    _accept(restaurant, first.id)
    _accept(restaurant, second.id)

    def move(database: Database, booking_id: int) -> None:
        where: dict[str, Any] = {"starts_at": EVENING + HOUR, "actor": STAFF, "public_url": SITE}
        _do(database, moving.move_booking, booking_id=booking_id, **where)

    _refused(restaurant, SlotTaken, move, first.id)
    _do(restaurant, ending.cancel_booking, booking_id=second.id, actor=STAFF, public_url=SITE)
    _refused(restaurant, StateRefused, move, second.id)
    move(restaurant, first.id)
    assert len(holders(restaurant, table.id)) == 1


@pytest.mark.parametrize(
    ("states", "is_held"),
    [([State.SEATED], True), ([State.SEATED, State.COMPLETED], False), ([State.NO_SHOW], False)],
)
def test_mark__seated_keeps_the_table_until_they_go(restaurant: Database, states: list[State], is_held: bool) -> None:
    table = a_table(restaurant)
    order = an_order(restaurant, table.id)
    _accept(restaurant, order.id)

    for state in states:
        _do(restaurant, ending.mark_booking, booking_id=order.id, state=state, actor=STAFF)

    assert booked(restaurant, order.id).state == states[-1]
    assert bool(holders(restaurant, table.id)) is is_held


def test_guest_without_contact__is_told_nothing(restaurant: Database) -> None:
    request = OrderRequest(a_table(restaurant).id, EVENING, 2, name="at the door")

    made = _do(restaurant, placing.set_booking, request=request, actor=STAFF, public_url=SITE)

    assert made.state == State.CONFIRMED
    assert mails(restaurant, made.id) == []


def test_occupancy__overlaps_behind_the_rules__are_stopped_by_the_database(restaurant: Database) -> None:
    table = a_table(restaurant)
    first, second = an_order(restaurant, table.id), an_order(restaurant, table.id)
    _accept(restaurant, first.id)

    def occupy(connection: Connection) -> None:
        period: dict[str, Any] = {"starts_at": EVENING + HOUR, "ends_at": EVENING + 3 * HOUR}
        occupy_in_tx(connection, table_id=table.id, booking_id=second.id, **period)

    def widen(connection: Connection) -> None:
        occupy_in_tx(
            connection,
            table_id=table.id,
            booking_id=second.id,
            starts_at=EVENING + 2 * HOUR,
            ends_at=EVENING + 3 * HOUR,
        )
        connection.execute(
            text("UPDATE occupancy SET starts_at = :at WHERE booking_id = :id"),
            {"at": int(EVENING.timestamp() * 1000), "id": second.id},
        )

    for work in (occupy, widen):
        with pytest.raises(SlotTaken):
            restaurant.write(work)
    assert len(holders(restaurant, table.id)) == 1


def test_booking__waiting_without_a_deadline__is_stopped_by_the_database(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    emptied = booking.update().where(booking.c.id == order.id).values(decide_by=None)

    with pytest.raises(IntegrityError):
        restaurant.write(lambda connection: connection.execute(emptied))

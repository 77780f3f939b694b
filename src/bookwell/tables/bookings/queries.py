"""Reads of bookings."""

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)

from bookwell.contracts.bookings import FreeTable
from bookwell.kit.adapters.sqlalchemy.next_id import next_id
from bookwell.kit.adapters.sqlalchemy.statements import Statement, ask
from bookwell.kit.outbox.gauges import Backlog
from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.kit.pages import Position
from bookwell.tables.bookings.errors import BookingNotFound, TokenUnknown
from bookwell.tables.bookings.locks import lock_booking_and_ask
from bookwell.tables.bookings.models import booking, booking_at_table, booking_step, guest_token, outbox
from bookwell.tables.bookings.rules import OPEN_STATES, Slot, State, TokenPurpose, can_be_ordered
from bookwell.tables.floor.errors import TableNotFound
from bookwell.tables.floor.models import dining_table, occupancy
from bookwell.tables.floor.queries import PRICE, SETTINGS, Wish, house_of, list_tables
from bookwell.tables.floor.rules import FOREVER, LONGEST_SLOT, House

__all__ = [
    "Board",
    "Outlook",
    "Surroundings",
    "digest_of",
    "get_booking",
    "get_booking_id_of_token",
    "get_outlook",
    "list_active",
    "list_alternatives",
    "list_backlogs",
    "list_hit",
    "list_offers",
    "list_steps",
    "list_to_escalate",
    "list_waiting_past",
    "lock_with_surroundings",
]

_ALTERNATIVES = 5
_FLAGGED = frozenset({State.REQUESTED})


# In words, not as a parameter: of all orders there ever were, few wait, and the planner is to know it.
_WAITS = booking.c.state == literal_column(f"'{State.REQUESTED.value}'")
_FOREVER = milliseconds(FOREVER)
_BY_MAILBOX, _BY_PHONE = booking.c.mailbox == bindparam("mailbox"), booking.c.phone == bindparam("phone")


def _waiting(whose: ColumnElement[bool]) -> ColumnElement[int]:
    return select(func.count()).where(_WAITS, whose).scalar_subquery()


def _held_from(table_id: ColumnElement[int], starts_at: ColumnElement[int]) -> ColumnElement[int]:
    """When the first of what holds a table begins, but for what is over at an instant; the end of time for nothing."""
    held = select(func.min(occupancy.c.starts_at)).where(
        occupancy.c.table_id == table_id, occupancy.c.ends_at > starts_at
    )
    return func.coalesce(held.scalar_subquery(), literal_column(str(_FOREVER)))


_OUTLOOK = Statement(
    select(
        dining_table.c.id,
        dining_table.c.name,
        dining_table.c.table_type,
        dining_table.c.seats,
        dining_table.c.can_be_booked,
        dining_table.c.retired_at,
        SETTINGS.label("settings"),
        next_id(booking).label("booking_id"),
        PRICE.label("price"),
        _held_from(dining_table.c.id, bindparam("starts_at", type_=BigInteger)).label("held_from"),
        (_waiting(_BY_MAILBOX) + _waiting(and_(_BY_PHONE, _BY_MAILBOX.is_not(true())))).label("of_contact"),
        _waiting(booking.c.from_address == bindparam("from_address")).label("of_address"),
    ).where(dining_table.c.id == bindparam("table_id"))
)

# Slots and the cleaning behind them last a day each at most: others than these cannot touch.
_DAY = LONGEST_SLOT // dt.timedelta(milliseconds=1)
_rival = booking.alias("rival")
_RIVALS = and_(
    _rival.c.table_id == booking.c.table_id,
    _rival.c.state == literal_column(f"'{State.REQUESTED.value}'"),
    _rival.c.id != booking.c.id,
    _rival.c.starts_at > booking.c.starts_at - literal_column(str(2 * _DAY)),
    _rival.c.starts_at < booking.c.starts_at + literal_column(str(2 * _DAY)),
)
_NEXT = select(func.min(_rival.c.starts_at)).where(_RIVALS, _rival.c.ends_at > booking.c.starts_at)
_LAST = select(func.max(_rival.c.ends_at)).where(_RIVALS, _rival.c.ends_at <= booking.c.starts_at)
_SURROUNDINGS = Statement(
    select(
        SETTINGS.label("settings"),
        _held_from(booking.c.table_id, booking.c.starts_at).label("held_from"),
        func.coalesce(_NEXT.scalar_subquery(), literal_column(str(_FOREVER))).label("next_start"),
        func.coalesce(_LAST.scalar_subquery(), literal_column("0")).label("last_end"),
    ).where(booking.c.id == bindparam("booking_id"))
)


def digest_of(token: str) -> str:
    """What is stored of a guest's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def get_booking(connection: Connection, booking_id: int) -> Row[Any]:
    """One booking.

    Raises:
        BookingNotFound: if there is none of that id.
    """
    row = connection.execute(booking_at_table.where(booking.c.id == booking_id)).one_or_none()
    if row is None:
        raise BookingNotFound
    return row


def list_steps(connection: Connection, booked: Any) -> Sequence[Row[Any]]:
    """What brought a booking to the version that was read, the first step first."""
    chosen = select(booking_step).where(booking_step.c.booking_id == booked.id)
    of_then = chosen.where(booking_step.c.version <= booked.version)
    return connection.execute(of_then.order_by(booking_step.c.version)).all()


def get_booking_id_of_token(
    connection: Connection, token: str, *, purposes: Collection[TokenPurpose], now: dt.datetime
) -> int:
    """The booking that a guest's token opens for one of these purposes.

    Raises:
        TokenUnknown: for a wrong one, one of another purpose and an expired one alike.
    """
    found = select(guest_token.c.booking_id).where(
        guest_token.c.digest == digest_of(token),
        guest_token.c.purpose.in_(sorted(purposes)),
        guest_token.c.expires_at > milliseconds(now),
    )
    booking_id = connection.scalar(found)
    if booking_id is None:
        raise TokenUnknown
    return int(booking_id)


def list_hit(
    connection: Connection,
    *,
    table_ids: Collection[int],
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    buffer: dt.timedelta,
) -> Sequence[Row[Any]]:
    """Orders that wait and confirmed bookings of these tables, with the cleaning behind them, in `[starts, ends)`."""
    chosen = booking_at_table.where(
        booking.c.table_id.in_(sorted(table_ids)),
        booking.c.state.in_(sorted(OPEN_STATES)),
        booking.c.starts_at < milliseconds(ends_at),
        booking.c.ends_at > milliseconds(starts_at - buffer),
    )
    return connection.execute(chosen.order_by(booking.c.starts_at, booking.c.id)).all()


def list_waiting_past(connection: Connection, *, now: dt.datetime, limit: int) -> Sequence[int]:
    """Ids of orders whose deadline is over; none but orders that wait have one."""
    past = select(booking.c.id).where(booking.c.decide_by <= milliseconds(now))
    return list(connection.scalars(past.order_by(booking.c.decide_by).limit(limit)))


def list_to_escalate(connection: Connection, *, now: dt.datetime, limit: int) -> Sequence[int]:
    """Ids of orders that staff are to be reminded of."""
    half_way = select(booking.c.id).where(booking.c.escalate_at <= milliseconds(now))
    return list(connection.scalars(half_way.order_by(booking.c.escalate_at).limit(limit)))


def list_alternatives(connection: Connection, house: House, *, booked: Any, now: dt.datetime) -> list[FreeTable]:
    """Tables that are free for the same people and time, the smallest first; `booked` has the columns of a booking."""
    return _list_free(connection, house, booked, now=now, limit=_ALTERNATIVES)


def list_offers(connection: Connection, house: House, *, booked: Any, now: dt.datetime) -> list[FreeTable]:
    """Other tables that the guest of a booking may order for that time instead; none when the time is none to order."""
    if not can_be_ordered(Slot(instant_at(booked.starts_at), instant_at(booked.ends_at)), house, now=now):
        return []
    free = _list_free(connection, house, booked, now=now, limit=_ALTERNATIVES + 1)
    return [each for each in free if each.table_id != booked.table_id][:_ALTERNATIVES]


def _list_free(connection: Connection, house: House, booked: Any, *, now: dt.datetime, limit: int) -> list[FreeTable]:
    starts_at, ends_at = instant_at(booked.starts_at), instant_at(booked.ends_at) + house.buffer
    wish = Wish(seats=booked.party_size, starts_at=starts_at, ends_at=ends_at)
    return [
        FreeTable(table_id=t.id, name=t.name, table_type=t.table_type, seats=t.seats, price=t.price)
        for t in list_tables(connection, wish, now=now, limit=limit)
    ]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an order meets: the table, its price in hundredths, the settings, who waits already; and its future id.

    `held_from` is when, in milliseconds, the table is held next.
    """

    table: Any
    house: House
    price: int
    booking_id: int
    held_from: int
    of_contact: int
    of_address: int


def get_outlook(
    connection: Connection, *, table_id: int, starts_at: dt.datetime, now: dt.datetime, contact: Mapping[str, str]
) -> Outlook:
    """What an order for a table meets; of a `contact`, by `mailbox` or `phone`, and its `from_address`.

    What of the contact is missing or empty is nobody's.

    Raises:
        TableNotFound: if there never was a table of that id.
    """
    known = {name: contact.get(name) or None for name in ("mailbox", "phone", "from_address")}
    asked = _OUTLOOK(table_id=table_id, starts_at=milliseconds(starts_at), now=milliseconds(now), **known)
    row = next(iter(ask(connection, asked)), None)
    if row is None:
        raise TableNotFound
    return Outlook(
        table=row,
        house=house_of(row.settings),
        price=row.price,
        booking_id=row.booking_id,
        held_from=row.held_from,
        of_contact=row.of_contact,
        of_address=row.of_address,
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision meets: the settings; whether the table is held at its time, and whether other orders wait."""

    house: House
    is_held: bool
    has_rivals: bool


def lock_with_surroundings(connection: Connection, booking_id: int) -> tuple[Any, Surroundings]:
    """A locked booking at its table, and what is around its time.

    Of orders that are not over when it starts the first one tells, of the others the last one.

    Raises:
        BookingNotFound, TryAgain: as `locks.lock_booking`.
    """
    booked, around = lock_booking_and_ask(connection, booking_id, _SURROUNDINGS(booking_id=booking_id))
    house = house_of(around.settings)
    cleaning = house.buffer_minutes * 60_000
    held_until = booked.ends_at + cleaning
    has_rivals = around.next_start < held_until or around.last_end > booked.starts_at - cleaning
    return booked, Surroundings(house, around.held_from < held_until, has_rivals)


def list_backlogs(connection: Connection, queues: Sequence[str]) -> list[Backlog]:
    """What waits in each of these queues of the outbox that has anything; reads the open rows of an index."""
    waiting = select(outbox.c.queue, func.count(), func.min(outbox.c.created_at))
    waiting = waiting.where(outbox.c.queue.in_(queues), outbox.c.done_at.is_(None)).group_by(outbox.c.queue)
    return [Backlog(*row) for row in connection.execute(waiting)]


@dataclass(frozen=True, slots=True)
class Board:
    """Which bookings staff look at: of these states, at some time in `[starts_at, ends_at)`, at one table."""

    states: frozenset[State]
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None
    table_id: int | None = None
    slot_taken: bool | None = None


def list_active(connection: Connection, board: Board, *, position: Position, limit: int) -> Sequence[Row[Any]]:
    """A page of bookings by their start, in the direction of `position`, each with its table's name and type.

    Each state is walked along its own index, up to the page's length: the cost is the same at any depth.
    """
    columns = (booking.c.starts_at, booking.c.id)
    order = [column.desc() if position.is_backward else column.asc() for column in columns]
    wanted = [*_wanted(board), *_behind(position)]
    walks = [
        select(booking.c.id).where(booking.c.state == state, *wanted).order_by(*order).limit(limit).subquery()
        for state in sorted(board.states & _FLAGGED if board.slot_taken else board.states)
    ]
    ids = union_all(*(select(walk.c.id) for walk in walks)) if walks else select(booking.c.id).where(false())
    chosen = booking_at_table.where(booking.c.id.in_(ids))
    return connection.execute(chosen.order_by(*order).limit(limit)).all()


def _wanted(board: Board) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if board.starts_at is not None:  # the longest slot is a day: what began before that is over, and need not be read
        begun = milliseconds(board.starts_at - LONGEST_SLOT)
        conditions += [booking.c.ends_at > milliseconds(board.starts_at), booking.c.starts_at > begun]
    if board.ends_at is not None:
        conditions.append(booking.c.starts_at < milliseconds(board.ends_at))
    if board.table_id is not None:
        conditions.append(booking.c.table_id == board.table_id)
    if board.slot_taken is not None:
        conditions.append(booking.c.slot_taken.is_(board.slot_taken))
    return conditions


def _behind(position: Position) -> list[ColumnElement[bool]]:
    if position.key is None:
        return []
    row, key = tuple_(booking.c.starts_at, booking.c.id), tuple_(*position.key)
    return [row < key if position.is_backward else row > key]

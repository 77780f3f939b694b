"""A small restaurant beside a model of it: each use case is done to both, and both must agree afterwards."""

import datetime as dt
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import delete, select, update

from bookwell.kit.errors import DomainError
from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings import errors
from bookwell.tables.bookings.models import booking, outbox
from bookwell.tables.bookings.rules import Decision, Exemption, State
from bookwell.tables.bookings.services import closing, deadlines, deciding, ending, moving, placing
from bookwell.tables.bookings.services.closing import Closing, Opening
from bookwell.tables.bookings.services.placing import OrderRequest
from bookwell.tables.db import Database
from bookwell.tables.floor.errors import PeriodInvalid, TableRetired
from bookwell.tables.floor.models import restaurant
from bookwell.tables.floor.rules import FOREVER, House, TableType
from bookwell.tables.floor.services import tables
from bookwell.tables.schema import metadata
from tests.restaurant import NOW, SITE, STAFF
from tests.table_invariants import HOLDING, assert_tables_are_sound

__all__ = ["ModelRestaurant"]

BUFFER = dt.timedelta(minutes=15)
PATIENCE = dt.timedelta(hours=4)
LEAD = dt.timedelta(hours=1)
MOST_TABLES = 4
OPEN = frozenset({State.REQUESTED, State.CONFIRMED})
MARKS = {
    State.CONFIRMED: {State.SEATED, State.NO_SHOW},
    State.SEATED: {State.COMPLETED},
}
_OF_ONE_ROW = {"restaurant", "feed_head"}
Refusal = type[DomainError] | None


@dataclass(slots=True)
class Booked:
    """What the rules say of one order or booking."""

    id: int
    table: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    price: int
    state: State
    token: str
    decide_by: dt.datetime | None = None
    version: int = 1
    decided: Decision | None = None
    decided_version: int = 0

    def overlaps(self, starts_at: dt.datetime, ends_at: dt.datetime) -> bool:
        """Whether it needs its table, cleaning included, at some time of these."""
        return self.starts_at < ends_at and starts_at < self.ends_at + BUFFER


@dataclass(slots=True)
class Placed:
    """A table as the rules know it."""

    id: int
    price: int
    can_be_booked: bool = True
    is_retired: bool = False


@dataclass(slots=True)
class Closed:
    """A closure that stands; of the restaurant without a table. `tables` are those that it keeps, also for the past."""

    table: int | None
    starts_at: dt.datetime
    ends_at: dt.datetime
    tables: set[int]


@dataclass(slots=True)
class ModelRestaurant:
    """Two tables at first, two days. Time stands still but for `pass_time`."""

    database: Database
    now: dt.datetime = NOW
    tables: list[Placed] = field(default_factory=list)
    booked: list[Booked] = field(default_factory=list)
    closed: list[Closed] = field(default_factory=list)
    free_days: set[dt.date] = field(default_factory=set)

    def open_doors(self) -> None:
        """Leave nothing of earlier runs."""
        with self.database.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name not in _OF_ONE_ROW:
                    connection.execute(delete(table))
            connection.execute(update(restaurant).values(settings="{}"))
        for price in (1000, 2000):
            self.add_table(price)

    def add_table(self, price: int) -> None:
        """There is one more, up to a few."""
        if len(self.tables) < MOST_TABLES:
            wanted = {"name": "", "table_type": TableType.REGULAR, "seats": 4, "can_be_booked": True}
            made = self._do(tables.add_table, price=price, **wanted)
            self.tables.append(Placed(made.id, price))
            for each in self.closed:
                if each.table is None and each.ends_at > self.now:
                    each.tables.add(made.id)

    def set_price(self, table: Placed, price: int) -> None:
        """It costs more, or less, from now on."""
        if self._try(TableRetired if table.is_retired else None, tables.set_price, table_id=table.id, price=price):
            table.price = price

    def let_book(self, table: Placed, *, can_be_booked: bool) -> None:
        """It is kept from guests, or given back to them."""
        refusal = TableRetired if table.is_retired else None
        if self._try(refusal, tables.update_table, table_id=table.id, can_be_booked=can_be_booked):
            table.can_be_booked = can_be_booked

    def place(self, table: Placed, starts_at: dt.datetime, minutes: int) -> None:
        """A guest orders."""
        ends_at = starts_at + dt.timedelta(minutes=minutes)
        refusal = self._refusal_to_take(table, starts_at, ends_at, is_guest=True)
        request = self._request(table, starts_at, minutes)
        verb = placing.place_order
        if made := self._try(refusal, verb, request=request, public_url=SITE, exemption=Exemption.COUNTS):
            deadline = min(self.now + PATIENCE, starts_at)
            self._note(made, table, State.REQUESTED, decide_by=deadline)

    def set_by_staff(self, table: Placed, starts_at: dt.datetime, minutes: int) -> None:
        """Staff book for somebody who telephones."""
        ends_at = starts_at + dt.timedelta(minutes=minutes)
        refusal = self._refusal_to_take(table, starts_at, ends_at, is_guest=False)
        if made := self._by_staff(refusal, placing.set_booking, request=self._request(table, starts_at, minutes)):
            self._note(made, table, State.CONFIRMED)

    def accept(self, chosen: Booked) -> None:
        """Staff confirm."""
        refusal = self._refusal_to_decide(chosen) or self._slot_refusal(chosen)
        if self._by_staff(refusal, deciding.accept_booking, booking_id=chosen.id):
            self._decided(chosen, Decision.CONFIRM)

    def decline(self, chosen: Booked) -> None:
        """Staff decline."""
        if self._by_staff(self._refusal_to_decide(chosen), deciding.decline_booking, booking_id=chosen.id):
            self._decided(chosen, Decision.DECLINE)

    def decline_all_taken(self, chosen: Booked) -> None:
        """Staff decline whom a booking leaves without a table."""
        refusal = None if chosen.state in HOLDING else errors.NotConfirmed
        left = [
            each
            for each in self.booked
            if each.table == chosen.table
            and each.state is State.REQUESTED
            and each.overlaps(chosen.starts_at, chosen.ends_at + BUFFER)
        ]
        self._by_staff(refusal, deciding.decline_all_taken, booking_id=chosen.id)
        for each in left if refusal is None else ():
            self._decided(each, Decision.DECLINE)

    def decide(self, chosen: Booked, decision: Decision, version: int) -> None:
        """The back office says what it thinks of a version."""
        is_new = chosen.decided is None
        refusal = self._refusal_to_decide(chosen) if is_new else None
        refusal = refusal or self._refusal_to_hear(chosen, decision, version)
        if is_new and decision is Decision.CONFIRM:
            refusal = refusal or self._slot_refusal(chosen)
        asked: dict[str, Any] = {"booking_id": chosen.id, "decision": decision, "version": version}
        if self._try(refusal, deciding.decide_booking, public_url=SITE, **asked) and is_new:
            self._decided(chosen, decision)

    def cancel_by_guest(self, chosen: Booked) -> None:
        """The guest follows the link in the first mail."""
        refusal: Refusal = None
        if self.now >= chosen.ends_at:
            refusal = errors.TokenUnknown
        elif chosen.state in {State.SEATED, State.COMPLETED, State.NO_SHOW} or (
            chosen.state is not State.CANCELLED and self.now >= chosen.starts_at
        ):
            refusal = errors.TooLateToCancel
        elif chosen.state in {State.DECLINED, State.EXPIRED}:
            refusal = errors.StateRefused
        told = self._try(refusal, ending.cancel_by_guest, token=chosen.token, public_url=SITE)
        if told and chosen.state is not State.CANCELLED:
            self._end(chosen, State.CANCELLED)

    def cancel(self, chosen: Booked) -> None:
        """Staff cancel."""
        refusal = None if chosen.state in OPEN else errors.StateRefused
        if self._by_staff(refusal, ending.cancel_booking, booking_id=chosen.id):
            self._end(chosen, State.CANCELLED)

    def mark(self, chosen: Booked, state: State) -> None:
        """Staff say that guests sit, have gone or never came."""
        refusal = None if state in MARKS.get(chosen.state, set()) else errors.StateRefused
        if self._try(refusal, ending.mark_booking, booking_id=chosen.id, state=state, actor=STAFF):
            self._end(chosen, state)

    def move(self, chosen: Booked, table: Placed, starts_at: dt.datetime, minutes: int) -> None:
        """Staff give it another place and time; the same as before changes nothing."""
        ends_at = starts_at + dt.timedelta(minutes=minutes)
        is_elsewhere = (chosen.table, chosen.starts_at, chosen.ends_at) != (table.id, starts_at, ends_at)
        refusal: Refusal = None
        if chosen.state not in OPEN:
            refusal = errors.StateRefused
        elif chosen.decide_by and self.now >= chosen.decide_by:
            refusal = errors.OrderExpired
        elif is_elsewhere and (table.is_retired or not (table.can_be_booked or table.id == chosen.table)):
            refusal = errors.TableNotBookable
        elif is_elsewhere and self._is_taken(table.id, starts_at, ends_at, besides=chosen):
            refusal = errors.SlotTaken
        where: dict[str, Any] = {"table_id": table.id, "starts_at": starts_at, "minutes": minutes}
        if self._by_staff(refusal, moving.move_booking, booking_id=chosen.id, **where) and is_elsewhere:
            chosen.table, chosen.starts_at, chosen.ends_at = table.id, starts_at, ends_at
            chosen.version += 1
            if chosen.decide_by:
                chosen.decide_by = min(chosen.decide_by, self.now + PATIENCE, starts_at)

    def close(
        self, table: Placed | None, starts_at: dt.datetime | None, hours: int | None, *, is_dry_run: bool
    ) -> None:
        """A table or the restaurant is closed, after a look at whom it hits."""
        since = starts_at or self.now
        until = since + dt.timedelta(hours=hours) if hours else FOREVER
        wanted = Closing(table.id if table else None, starts_at, until if hours else None, "a pipe burst")
        ids = {each.id for each in ([table] if table else self.tables) if not each.is_retired}
        hit = [b for b in self._open_at(ids) if b.overlaps(since, until) and self.now < b.ends_at]
        refusal = TableRetired if table and table.is_retired else PeriodInvalid if until <= self.now else None
        said = self._by_staff(refusal, closing.close_tables, closing=wanted, is_dry_run=is_dry_run)
        if refusal is None:
            self._expect_hit(said, hit, is_dry_run=is_dry_run)
        if refusal is None and not is_dry_run:
            self.closed.append(Closed(wanted.table_id, since, until, ids))

    def reopen(self, table: Placed | None, starts_at: dt.datetime | None, hours: int | None) -> None:
        """Its closures are taken back for some time; what is left of each stands."""
        since = starts_at or self.now
        until = since + dt.timedelta(hours=hours) if hours else FOREVER
        wanted = Opening(table.id if table else None, starts_at, until if hours else None)
        refusal = TableRetired if table and table.is_retired else PeriodInvalid if until <= self.now else None
        if self._try(refusal, closing.open_tables, opening=wanted, actor=STAFF) is not None:
            self.closed = [piece for each in self.closed for piece in _left_of(each, wanted.table_id, since, until)]

    def remove(self, table: Placed, *, is_dry_run: bool) -> None:
        """A table leaves the house, unless it is the last."""
        if sum(not each.is_retired for each in self.tables) == 1:
            return
        refusal = TableRetired if table.is_retired else None
        hit = [each for each in self._open_at({table.id}) if each.ends_at > self.now]
        said = self._by_staff(refusal, closing.remove_table, table_id=table.id, is_dry_run=is_dry_run)
        if refusal is None:
            self._expect_hit(said, hit, is_dry_run=is_dry_run)
            table.is_retired |= not is_dry_run

    def take_days_off(self, days: set[dt.date], *, is_dry_run: bool) -> None:
        """The restaurant is not open on these days, and on all others as ever."""
        house = House(exceptions=dict.fromkeys(days, ()))
        hit = [each for each in self._open_at() if each.starts_at > self.now and not _fits(each, days)]
        said = self._by_staff(None, closing.change_house, house=house, is_dry_run=is_dry_run)
        self._expect_hit(said, hit, is_dry_run=is_dry_run)
        if not is_dry_run:
            self.free_days = set(days)

    def pass_time(self, minutes: int, *, do_jobs: bool) -> None:
        """Time goes by; the jobs come, or are late."""
        self.now += dt.timedelta(minutes=minutes)
        if not do_jobs:
            return
        due = [each for each in self.booked if each.decide_by and each.decide_by <= self.now]
        ids = self.database.read(lambda connection: deadlines.list_expirable(connection, now=self.now))
        assert set(ids) == {each.id for each in due}
        for each in due:
            assert self._do(deadlines.expire_order, booking_id=each.id, public_url=SITE)
            self._end(each, State.EXPIRED)
        for booking_id in self.database.read(lambda connection: deadlines.list_escalatable(connection, now=self.now)):
            self._do(deadlines.escalate_order, booking_id=booking_id)

    def check(self) -> None:
        """The restaurant knows what the model says, and nothing impossible has happened."""
        rows = self.database.read(lambda connection: connection.execute(select(booking)).all())
        kept = {row.id: (row.table_id, row.state, row.version, row.price, row.starts_at, row.ends_at) for row in rows}
        assert kept == {b.id: (b.table, b.state, b.version, b.price, *_ms(b.starts_at, b.ends_at)) for b in self.booked}
        deadlines_kept = {row.id: row.decide_by for row in rows}
        assert deadlines_kept == {b.id: _ms(b.decide_by)[0] if b.decide_by else None for b in self.booked}
        assert_tables_are_sound(self.database, now=self.now)

    def _refusal_to_take(
        self, table: Placed, starts_at: dt.datetime, ends_at: dt.datetime, *, is_guest: bool
    ) -> Refusal:
        if table.is_retired or not table.can_be_booked:
            return errors.TableNotBookable
        if is_guest and starts_at < self.now + LEAD:
            return errors.TooSoon
        if is_guest and starts_at.date() in self.free_days:
            return errors.OutsideHours
        return errors.SlotTaken if self._is_taken(table.id, starts_at, ends_at) else None

    def _refusal_to_decide(self, chosen: Booked) -> Refusal:
        is_late = chosen.decide_by is not None and self.now >= chosen.decide_by
        if chosen.state is State.EXPIRED or is_late:
            return errors.OrderExpired
        if chosen.state is State.CANCELLED:
            return errors.OrderCancelled
        return None if chosen.state is State.REQUESTED else errors.StateRefused

    def _refusal_to_hear(self, chosen: Booked, decision: Decision, version: int) -> Refusal:
        seen = chosen.decided_version if chosen.decided else chosen.version
        if not seen <= version <= chosen.version:
            return errors.DecisionOutdated
        if chosen.decided and chosen.state is State.CANCELLED and version > chosen.decided_version:
            return errors.OrderCancelled
        return errors.DecisionContradicts if chosen.decided not in {None, decision} else None

    def _slot_refusal(self, chosen: Booked) -> Refusal:
        is_taken = self._is_taken(chosen.table, chosen.starts_at, chosen.ends_at, besides=chosen)
        return errors.SlotTaken if is_taken else None

    def _is_taken(
        self, table: int, starts_at: dt.datetime, ends_at: dt.datetime, *, besides: Booked | None = None
    ) -> bool:
        until = ends_at + BUFFER
        held = [each for each in self.booked if each.table == table and each.state in HOLDING and each is not besides]
        closed = [each for each in self.closed if table in each.tables]
        return any(each.overlaps(starts_at, until) for each in held) or any(
            each.starts_at < until and starts_at < each.ends_at for each in closed
        )

    def _open_at(self, table_ids: set[int] | None = None) -> list[Booked]:
        rows = [each for each in self.booked if each.state in OPEN]
        return [each for each in rows if table_ids is None or each.table in table_ids]

    def _expect_hit(self, said: Iterable[Any], hit: list[Booked], *, is_dry_run: bool) -> None:
        assert {row.id for row in said} == {each.id for each in hit}
        for each in () if is_dry_run else hit:
            self._end(each, State.DECLINED if each.state is State.REQUESTED else State.CANCELLED)

    def _decided(self, chosen: Booked, decision: Decision) -> None:
        chosen.decided, chosen.decided_version = decision, chosen.version
        self._end(chosen, State.CONFIRMED if decision is Decision.CONFIRM else State.DECLINED)

    def _end(self, chosen: Booked, state: State) -> None:
        chosen.state, chosen.decide_by = state, None
        chosen.version += 1

    def _note(self, made: Any, table: Placed, state: State, **values: Any) -> None:
        times = {"starts_at": instant_at(made.starts_at), "ends_at": instant_at(made.ends_at)}
        kept = {"price": table.price, "state": state, "token": self._token(made.id), **times, **values}
        self.booked.append(Booked(made.id, table.id, **kept))

    def _token(self, booking_id: int) -> str:
        first = select(outbox.c.payload).where(outbox.c.aggregate == f"booking:{booking_id}", outbox.c.queue == "mail")
        payload = self.database.read(lambda connection: connection.scalar(first))
        return str(parse_qs(urlsplit(json.loads(str(payload))["facts"]["cancel_url"]).query)["id"][0])

    def _request(self, table: Placed, starts_at: dt.datetime, minutes: int) -> OrderRequest:
        return OrderRequest(table.id, starts_at, 2, minutes=minutes, email="ada@example.org")

    def _by_staff(self, refusal: Refusal, verb: Callable[..., Any], **options: Any) -> Any:
        return self._try(refusal, verb, actor=STAFF, public_url=SITE, **options)

    def _try(self, refusal: Refusal, verb: Callable[..., Any], **options: Any) -> Any:
        if refusal is None:
            return self._do(verb, **options)
        with pytest.raises(refusal):
            self._do(verb, **options)
        return None

    def _do(self, verb: Callable[..., Any], **options: Any) -> Any:
        return self.database.write(lambda connection: verb(connection, now=self.now, **options))


def _left_of(each: Closed, table: int | None, since: dt.datetime, until: dt.datetime) -> list[Closed]:
    """What an opening leaves of a closure."""
    if each.table != table or not (each.starts_at < until and since < each.ends_at):
        return [each]
    pieces = [(each.starts_at, min(each.ends_at, since)), (max(each.starts_at, until), each.ends_at)]
    return [Closed(table, start, end, set(each.tables)) for start, end in pieces if start < end]


def _fits(each: Booked, days: set[dt.date]) -> bool:
    """The hours of any other day are long enough for every slot that the tests choose."""
    return each.starts_at.date() not in days


def _ms(*moments: dt.datetime) -> tuple[int, ...]:
    return tuple(int(moment.timestamp() * 1000) for moment in moments)

"""Every version of a booking is one event: in the feed always, as a webhook where a back office is called."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, delete, select, update

from bookwell.contracts.messages import Envelope
from bookwell.notifier.deliveries.services.take_in import prepare_deliveries
from bookwell.tables.backoffice.errors import CursorForgotten, CursorUnknown
from bookwell.tables.backoffice.queries import FeedPage, read_feed
from bookwell.tables.backoffice.rules import cursor_of
from bookwell.tables.bookings.errors import StateRefused
from bookwell.tables.bookings.models import feed_event, feed_head, outbox
from bookwell.tables.bookings.rules import Decision, State
from bookwell.tables.bookings.services.deadlines import expire_order
from bookwell.tables.bookings.services.deciding import accept_booking, decide_booking
from bookwell.tables.bookings.services.ending import cancel_booking, mark_booking
from bookwell.tables.bookings.services.moving import move_booking
from bookwell.tables.bookings.services.placing import OrderRequest, set_booking
from bookwell.tables.bookings.services.publishing import forget_events, forget_feed_in_tx, place_events
from bookwell.tables.db import Database
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, tables_url

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def called(tmp_path: Path) -> Iterator[Database]:
    """A restaurant of its own, whose back office is called."""
    with tables_url(tmp_path) as url:
        database = Database.of_url(url, backoffice="office")
        yield database
        database.engine.dispose()


def _feed(database: Database, *, after: str = "", limit: int = 200) -> FeedPage:
    database.write(place_events)
    return database.read(lambda connection: read_feed(connection, after=after, limit=limit))


@dataclass(slots=True)
class _Forgetful:
    """A connection on which events are forgotten as soon as something has been read."""

    connection: Connection
    gone: int

    def execute(self, statement: Any) -> Any:
        """The result; what is read later finds the events gone."""
        result = self.connection.execute(statement)
        if self.gone:
            self.connection.execute(delete(feed_event).where(feed_event.c.position <= self.gone))
            self.connection.execute(update(feed_head).values(forgotten=self.gone))
            self.gone = 0
        return result


def _webhooks(database: Database) -> list[Any]:
    chosen = select(outbox).where(outbox.c.queue == "webhook").order_by(outbox.c.id)
    return database.read(lambda connection: list(connection.execute(chosen)))


def _accept(database: Database, booking_id: int) -> None:
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}
    database.write(lambda tx: accept_booking(tx, booking_id=booking_id, **told))


def _envelope(row: Any) -> Envelope:
    names = set(Envelope.model_fields) - {"source", "payload"}
    values = {name: getattr(row, name) for name in names}
    return Envelope(source="tables", payload=json.loads(row.payload), **values)


def test_publish__an_order__says_all_that_an_employee_needs(called: Database) -> None:
    table = a_table(called, name="Window", price=2499)

    order = an_order(called, table.id, phone="+48600100200", comment="a high chair, please")

    (item,) = _feed(called).items
    assert (item.type, item.timestamp) == ("booking.requested", NOW)
    assert item.data == {
        "booking_id": order.id,
        "version": 1,
        "state": "requested",
        "table": {"id": table.id, "name": "Window", "table_type": "regular", "seats": 4},
        "starts_at": "2030-05-07T16:00:00Z",
        "ends_at": "2030-05-07T17:30:00Z",
        "time_zone": order.time_zone,
        "party_size": 2,
        "name": "Ada",
        "email": "ada@example.org",
        "phone": "+48600100200",
        "comment": "a high chair, please",
        "price": 24.99,
        "decide_by": item.data["decide_by"],
        "slot_taken": False,
        "reason": "",
        "by": "guest",
    }
    assert dt.datetime.fromisoformat(item.data["decide_by"]) > NOW


def test_publish__an_order__is_a_webhook_of_the_same_event(called: Database) -> None:
    order = an_order(called, a_table(called).id)

    (row,), (item,) = _webhooks(called), _feed(called).items
    assert (row.event_id, row.type) == (item.id, item.type)
    assert (row.aggregate, row.aggregate_version) == (f"booking:{order.id}", 1)
    assert json.loads(row.payload) == {"endpoint": "office", "data": item.data}


def test_publish__nobody_is_called__writes_the_feed_alone(tmp_path: Path) -> None:
    with tables_url(tmp_path) as url:
        database = Database.of_url(url)
        an_order(database, a_table(database).id)

        assert _webhooks(database) == []
        assert len(_feed(database).items) == 1
        database.engine.dispose()


def test_publish__each_step__is_told_once_with_its_version(called: Database) -> None:
    table = a_table(called)
    told: dict[str, Any] = {"actor": STAFF, "now": NOW}
    one, two, three, four = (an_order(called, table.id, starts_at=EVENING + (2 * n - 4) * HOUR).id for n in range(4))
    _accept(called, one)
    called.write(lambda tx: move_booking(tx, booking_id=one, starts_at=EVENING - 5 * HOUR, public_url=SITE, **told))
    called.write(lambda tx: mark_booking(tx, booking_id=one, state=State.SEATED, **told))
    called.write(lambda tx: mark_booking(tx, booking_id=one, state=State.COMPLETED, **told))
    decision: dict[str, Any] = {"decision": Decision.DECLINE, "version": 1, "public_url": SITE, "reason": "a feast"}
    called.write(lambda tx: decide_booking(tx, booking_id=two, now=NOW, **decision))
    called.write(lambda tx: decide_booking(tx, booking_id=two, now=NOW, **decision))
    called.write(lambda tx: cancel_booking(tx, booking_id=three, public_url=SITE, **told))
    called.write(lambda tx: expire_order(tx, booking_id=four, public_url=SITE, now=EVENING + 6 * HOUR))
    request = OrderRequest(table_id=table.id, starts_at=EVENING - 2 * HOUR, party_size=2)
    five = called.write(lambda tx: set_booking(tx, request=request, public_url=SITE, **told)).id
    called.write(lambda tx: mark_booking(tx, booking_id=five, state=State.NO_SHOW, **told))

    told_of = [
        (item.data["booking_id"], item.data["version"], item.type, item.data["by"]) for item in _feed(called).items
    ]
    assert sorted(told_of) == [
        (one, 1, "booking.requested", "guest"),
        (one, 2, "booking.confirmed", "staff"),
        (one, 3, "booking.changed", "staff"),
        (one, 4, "booking.seated", "staff"),
        (one, 5, "booking.completed", "staff"),
        (two, 1, "booking.requested", "guest"),
        (two, 2, "booking.declined", "back_office"),
        (three, 1, "booking.requested", "guest"),
        (three, 2, "booking.cancelled", "staff"),
        (four, 1, "booking.requested", "guest"),
        (four, 2, "booking.expired", "system"),
        (five, 1, "booking.confirmed", "staff"),
        (five, 2, "booking.no_show", "staff"),
    ]
    rows = [(row.aggregate, row.aggregate_version, row.type) for row in _webhooks(called)]
    assert sorted(rows) == sorted((f"booking:{number}", version, kind) for number, version, kind, _ in told_of)


def test_publish__what_was_refused__is_not_told(called: Database) -> None:
    order = an_order(called, a_table(called).id)
    _accept(called, order.id)

    with pytest.raises(StateRefused):
        called.write(lambda tx: mark_booking(tx, booking_id=order.id, state=State.COMPLETED, actor=STAFF, now=NOW))

    assert [item.type for item in _feed(called).items] == ["booking.requested", "booking.confirmed"]
    assert len(_webhooks(called)) == 2


@pytest.mark.parametrize("letter", ["\N{PILE OF POO}", "ż", '"', "\x01", "a"])
def test_publish__whatever_people_wrote__fits_into_a_webhook(called: Database, letter: str) -> None:
    table = a_table(called, name=letter * 100)
    written: dict[str, Any] = {
        "name": letter * 200,
        "email": letter * 320,
        "phone": letter * 32,
        "comment": letter * 20_000,
    }
    order = an_order(called, table.id, **written)
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW, "reason": letter * 20_000}
    called.write(lambda tx: cancel_booking(tx, booking_id=order.id, **told))

    envelopes = [_envelope(row) for row in _webhooks(called)]
    rows = prepare_deliveries(envelopes, channels=["email"], template_versions={}, now=NOW)

    assert len(rows) == 2
    assert json.loads(rows[1]["notice"])["data"]["comment"].endswith("…")
    assert {len(json.loads(row["notice"])["data"]["name"]) for row in rows} == {200}


def test_read_feed__page_by_page__gives_each_event_once_in_order(called: Database) -> None:
    table = a_table(called)
    orders = [an_order(called, table.id).id for _ in range(7)]

    pages, cursor = [], ""
    for _ in range(4):
        page = _feed(called, after=cursor, limit=3)
        pages.append([item.data["booking_id"] for item in page.items])
        before, cursor = cursor, page.next

    assert pages == [orders[:3], orders[3:6], orders[6:], []]
    assert cursor == before
    later = an_order(called, table.id).id
    assert [item.data["booking_id"] for item in _feed(called, after=cursor).items] == [later]


def test_read_feed__nothing_there__gives_a_cursor_that_stays_good(called: Database) -> None:
    empty = _feed(called)
    order = an_order(called, a_table(called).id)

    assert empty.items == []
    assert _feed(called, after=empty.next).items[0].data["booking_id"] == order.id


@pytest.mark.parametrize(
    "cursor", ["x", "ZmVlZAAAAAAAAAA", "ZmVlZP__________", "bm9uZQAAAAAAAAAB", "é" * 16, cursor_of(1)]
)
def test_read_feed__a_cursor_that_it_never_gave__is_refused(called: Database, cursor: str) -> None:
    with pytest.raises(CursorUnknown):
        _feed(called, after=cursor)


def test_forget_events__a_reader_who_comes_back_late__is_told(called: Database) -> None:
    table = a_table(called)
    start = _feed(called).next
    for _ in range(3):
        an_order(called, table.id)
    first, third = _feed(called, limit=1).next, _feed(called).next
    _age(called, at_most=2)

    count = called.write(lambda tx: forget_events(tx, before=NOW - HOUR))

    assert count == 2
    for cursor in (start, first):
        with pytest.raises(CursorForgotten):
            _feed(called, after=cursor)
    assert _feed(called, after=third).items == []
    assert len(_feed(called).items) == 1


@pytest.mark.parametrize("gone", [1, 3])
def test_read_feed__events_are_forgotten_while_it_reads__is_told(called: Database, gone: int) -> None:
    table = a_table(called)
    start = _feed(called).next
    for _ in range(3):
        an_order(called, table.id)
    _feed(called)

    with pytest.raises(CursorForgotten):
        called.write(lambda tx: read_feed(cast("Connection", _Forgetful(tx, gone)), after=start, limit=200))

    items = called.write(lambda tx: read_feed(cast("Connection", _Forgetful(tx, gone)), after="", limit=200)).items
    assert len(items) == 3 - gone


def test_forget_events__all_are_gone__later_ones_come_behind_every_cursor(called: Database) -> None:
    table = a_table(called)
    an_order(called, table.id)
    read = _feed(called).next
    called.write(lambda tx: forget_events(tx, before=NOW + HOUR))
    again = called.write(lambda tx: forget_events(tx, before=NOW + HOUR))
    later = an_order(called, table.id)

    assert again == 0
    assert [item.data["booking_id"] for item in _feed(called, after=read).items] == [later.id]


def test_forget_events__nobody_ever_read_them__counts_as_forgotten(called: Database) -> None:
    start = _feed(called).next
    an_order(called, a_table(called).id)
    called.write(lambda tx: forget_events(tx, before=NOW + HOUR))

    with pytest.raises(CursorForgotten):
        _feed(called, after=start)


def test_forget_events__more_than_at_a_time__ends_with_all_of_them(called: Database) -> None:
    table = a_table(called)
    start = _feed(called).next
    for _ in range(5):
        an_order(called, table.id)

    counts = [called.write(lambda tx: forget_events(tx, before=NOW + HOUR, limit=2)) for _ in range(6)]

    assert counts == [2, 2, 2, 2, 1, 0]
    assert _feed(called).items == []
    with pytest.raises(CursorForgotten):
        _feed(called, after=start)


def test_forget_feed__of_a_guest__leaves_no_personal_data_and_the_rest(called: Database) -> None:
    table = a_table(called)
    personal: dict[str, Any] = {
        "name": "Grace",
        "email": "grace@example.org",
        "phone": "+48600100200",
        "comment": "call Grace",
    }
    gone, kept = an_order(called, table.id, **personal), an_order(called, table.id)
    _accept(called, gone.id)
    before = _feed(called).items

    count = called.write(lambda tx: forget_feed_in_tx(tx, [gone.id]))

    after = _feed(called).items
    assert count == 2
    cleared = dict.fromkeys(personal, "")
    assert [item.data for item in after] == [
        item.data | cleared if item.data["booking_id"] == gone.id else item.data for item in before
    ]
    assert after[1].data["booking_id"] == kept.id


def _age(database: Database, *, at_most: int) -> None:
    """Let the events at the first places be a day older."""
    old = feed_event.update().where(feed_event.c.position <= at_most).values(at=feed_event.c.at - 86_400_000)
    database.write(lambda tx: tx.execute(old))

"""What guests and staff are told, from the change to the rendered message, and what is left of it afterwards."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from icalendar import Calendar
from sqlalchemy import select

from bookwell.contracts.messages import ChannelName
from bookwell.kit.adapters.sqlalchemy.engines import reading
from bookwell.kit.adapters.sqlalchemy.outbox import OutboxTable
from bookwell.kit.messaging import Consumer, DirectPublisher
from bookwell.kit.outbox.relay import Relay
from bookwell.notifier import rendering
from bookwell.notifier.db import Database as NotifierDatabase
from bookwell.notifier.deliveries.models import metadata as notifier_metadata
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from bookwell.tables.bookings.models import reminder_link
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import Actor
from bookwell.tables.bookings.services import closing, deadlines, deciding, ending, forgetting, moving, telling
from bookwell.tables.bookings.services.closing import Closing
from bookwell.tables.db import Database
from bookwell.tables.floor.queries import get_house
from bookwell.tables.floor.rules import House
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.schema import metadata
from tests.notices import assert_is_notice
from tests.notifying import RememberingChannel, deliveries_of, notifier_url
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, mails, tables_database

HOUR = dt.timedelta(hours=1)
BY_STAFF: dict[str, Any] = {"actor": STAFF, "public_url": SITE}
_PHONE = "+48601234567"


def _do(database: Database, verb: Callable[..., Any], **arguments: Any) -> Any:
    return database.write(lambda connection: verb(connection, **{"now": NOW, **arguments}))


def _accept(database: Database, booking_id: int) -> Any:
    return _do(database, deciding.accept_booking, booking_id=booking_id, **BY_STAFF)


def _remind(database: Database, booking_id: int) -> None:
    def work(connection: Any) -> None:
        house, row = get_house(connection), booked(database, booking_id)
        telling.remind_in_tx(connection, row, house=house, public_url=SITE, now=NOW)

    database.write(work)


def _last(database: Database, booking_id: int, *, kind: str = "booking") -> Any:
    """The row of the last message about a booking, its notice and facts."""
    row = mails(database, booking_id, kind=kind)[-1]
    notice = assert_is_notice(row.type, json.loads(row.payload))
    return row, notice, notice.facts


def _instant(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("contact", "queue", "channel"),
    [
        ({"email": "ada@example.org", "phone": _PHONE}, "mail", "email"),
        ({"email": "ada@example.org"}, "mail", "email"),
        ({"email": "", "phone": _PHONE}, "sms", "sms"),
    ],
)
def test_requested__goes_to_the_contact_in_its_language_while_it_waits(
    restaurant: Database, contact: dict[str, Any], queue: str, channel: str
) -> None:
    order = an_order(restaurant, a_table(restaurant).id, locale="ru", **contact)

    row, notice, facts = _last(restaurant, order.id)
    assert (row.type, row.queue, row.aggregate_version) == ("booking.requested", queue, 1)
    assert (notice.recipient.language, notice.recipient.channels) == ("ru", (channel,))
    assert (notice.is_mandatory, notice.expires_at, notice.unsubscribe_url) == (True, NOW + 4 * HOUR, None)
    assert facts["cancel_url"].startswith(f"{SITE}/api/customer/cancel_booking/?id=")
    assert facts["booking_url"].startswith(f"{SITE}/api/customer/booking/?id=")


def test_confirmed__is_not_told_after_the_visit(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    _accept(restaurant, order.id)

    row, notice, facts = _last(restaurant, order.id)
    assert (row.type, row.aggregate_version, facts["state"]) == ("booking.confirmed", 2, "confirmed")
    assert notice.expires_at == EVENING + 1.5 * HOUR
    assert facts["decide_by"] is None


@pytest.mark.parametrize("is_confirmed", [True, False])
@pytest.mark.parametrize("by", ["guest", "staff"])
def test_cancelled__says_by_whom_and_whether_it_was_confirmed(
    restaurant: Database, by: str, *, is_confirmed: bool
) -> None:
    order = an_order(restaurant, a_table(restaurant).id)
    if is_confirmed:
        _accept(restaurant, order.id)
    token = _token(_last(restaurant, order.id)[2]["cancel_url"])

    if by == "guest":
        _do(restaurant, ending.cancel_by_guest, token=token, public_url=SITE)
    else:
        _do(restaurant, ending.cancel_booking, booking_id=order.id, reason="a pipe burst", **BY_STAFF)

    row, _, facts = _last(restaurant, order.id)
    assert (row.type, facts["ended_by"], facts["was_confirmed"]) == ("booking.cancelled", by, is_confirmed)
    assert (facts["cancel_url"], facts["booking_url"]) == ("", "")
    assert facts["reason"] == ("" if by == "guest" else "a pipe burst")


def test_declined__says_by_whom(restaurant: Database) -> None:
    order = an_order(restaurant, a_table(restaurant).id)

    _do(restaurant, deciding.decline_booking, booking_id=order.id, reason="full", **BY_STAFF)

    row, _, facts = _last(restaurant, order.id)
    assert (row.type, facts["ended_by"], facts["was_confirmed"]) == ("booking.declined", "staff", False)


def test_close__declines_who_waited_and_cancels_who_was_confirmed(restaurant: Database) -> None:
    table = a_table(restaurant)
    waiting, confirmed = (an_order(restaurant, table.id) for _ in range(2))
    _accept(restaurant, confirmed.id)

    wanted = Closing(table.id, reason="holidays")
    _do(restaurant, closing.close_tables, closing=wanted, is_dry_run=False, **BY_STAFF)

    told = {each.id: _last(restaurant, each.id) for each in (waiting, confirmed)}
    assert [(row.type, facts["was_confirmed"]) for row, _, facts in told.values()] == [
        ("booking.declined", False),
        ("booking.cancelled", True),
    ]
    assert {(facts["ended_by"], facts["reason"]) for _, _, facts in told.values()} == {("staff", "holidays")}


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_changed__names_the_former_place_and_keeps_the_state(restaurant: Database, *, is_confirmed: bool) -> None:
    table, other = (a_table(restaurant, name=f"{name} {is_confirmed}") for name in ("at the door", "by the window"))
    order = an_order(restaurant, table.id)
    if is_confirmed:
        _accept(restaurant, order.id)

    where: dict[str, Any] = {"table_id": other.id, "starts_at": EVENING + HOUR}
    _do(restaurant, moving.move_booking, booking_id=order.id, **where, **BY_STAFF)

    row, notice, facts = _last(restaurant, order.id)
    assert (row.type, row.aggregate_version) == ("booking.changed", 2 + is_confirmed)
    assert (facts["table"], facts["previous_table"]) == (other.name, table.name)
    assert facts["previous_starts_at"] == _instant(EVENING)
    assert facts["previous_ends_at"] == _instant(EVENING + 1.5 * HOUR)
    assert facts["starts_at"] == _instant(EVENING + HOUR)
    assert (facts["was_confirmed"], facts["state"] == "confirmed") == (is_confirmed, is_confirmed)
    assert notice.expires_at == (EVENING + 2.5 * HOUR if is_confirmed else NOW + 4 * HOUR)


@pytest.mark.parametrize(("email", "is_by_mail"), [("ada@example.org", True), ("", False)])
def test_remind__until_the_start_with_a_way_out_in_mails(restaurant: Database, email: str, *, is_by_mail: bool) -> None:
    order = an_order(restaurant, a_table(restaurant).id, email=email, phone=_PHONE)
    _accept(restaurant, order.id)

    _remind(restaurant, order.id)

    row, notice, _ = _last(restaurant, order.id)
    assert (row.type, row.aggregate_version, booked(restaurant, order.id).version) == ("booking.reminder", 2, 2)
    assert (notice.is_mandatory, notice.expires_at) == (False, EVENING)
    link = notice.unsubscribe_url or ""
    assert link.startswith(f"{SITE}/api/customer/unsubscribe/?id=") is is_by_mail
    kept = select(reminder_link.c.locale).where(reminder_link.c.digest == digest_of(_token(link) if link else ""))
    assert restaurant.read(lambda tx: tx.scalar(kept)) == ("en" if is_by_mail else None)


def test_escalated__tells_staff_whose_order_until_when(tmp_path: Path) -> None:
    with tables_database(tmp_path) as own:
        house = House(staff_email="staff@example.org", staff_language="pl")
        own.write(lambda connection: keep_house_in_tx(connection, house=house, now=NOW))
        order = an_order(own, a_table(own).id)

        _do(own, deadlines.escalate_order, booking_id=order.id, now=NOW + 2 * HOUR)

        row, notice, facts = _last(own, order.id, kind="escalation")
        assert (row.type, row.queue) == ("booking.escalated", "mail")
        assert (notice.recipient.email, notice.recipient.language) == ("staff@example.org", "pl")
        assert (notice.expires_at, facts["guest"]) == (NOW + 4 * HOUR, "Ada")
        assert (facts["cancel_url"], facts["booking_url"]) == ("", "")


@dataclass(slots=True)
class _House:
    """A restaurant whose messages are really brought out and rendered, into channels that remember."""

    tables: Database
    notifier_database: NotifierDatabase
    notifier: Notifier
    relay: Relay
    mail: RememberingChannel
    sms: RememberingChannel

    def bring_out(self, now: dt.datetime = NOW) -> None:
        """Everything that is due, in its order."""
        with time_machine.travel(now, tick=False):
            while self.relay.run_once(now):
                pass
            for channel in (ChannelName.EMAIL, ChannelName.SMS):
                self.notifier.deliver_due(channel=channel.value)

    def everything_kept(self) -> str:
        """Every value of both databases."""
        kept = []
        for engine, tables in ((self.tables.engine, metadata), (self.notifier_database.engine, notifier_metadata)):
            with reading(engine) as connection:
                kept += [
                    repr(tuple(row)) for table in tables.sorted_tables for row in connection.execute(select(table))
                ]
        return "\n".join(kept)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[_House]:
    with tables_database(tmp_path) as tables, notifier_url(tmp_path) as url:
        database = NotifierDatabase.of_url(url)
        mail, sms = RememberingChannel(), RememberingChannel()
        settings = NotifierSettings(data_dir=tmp_path, mail_from="House <desk@house.example>")
        notifier = Notifier(settings, database=database, channels={"email": mail, "sms": sms}, render=rendering.render)
        outbox = OutboxTable("tables", tables.engine)
        consumer = Consumer(notifier.take_in, notifier.deliver)
        publisher = DirectPublisher({"mail": consumer, "sms": consumer}, {"tables": outbox})
        yield _House(tables, database, notifier, Relay([outbox], publisher), mail, sms)
        notifier.close()


def _token(link: str) -> str:
    return parse_qs(urlsplit(link).query)["id"][0]


def _tokens(house: _House, booking_id: int) -> set[str]:
    """What the links in a booking's messages hold, read before they go out."""
    told = [json.loads(row.payload) for row in mails(house.tables, booking_id)]
    links = [each["facts"].get(name) for each in told for name in ("cancel_url", "booking_url")]
    links += [each["unsubscribe_url"] for each in told]
    return {_token(link) for link in links if link}


def _entries(channel: RememberingChannel) -> list[tuple[str, str, int] | None]:
    """Method, UID and SEQUENCE of each message's calendar entry."""
    entries: list[tuple[str, str, int] | None] = []
    for message in channel.messages:
        part = message.content.calendar
        event = Calendar.from_ical(part.body).walk("VEVENT")[0] if part else None
        entries.append((part.method, str(event["UID"]), int(str(event["SEQUENCE"]))) if part and event else None)
    return entries


def test_story__a_booking_confirmed_moved_reminded_and_cancelled__is_told_in_order(house: _House) -> None:
    order = an_order(house.tables, a_table(house.tables).id, locale="pl")
    _accept(house.tables, order.id)
    _do(house.tables, moving.move_booking, booking_id=order.id, starts_at=EVENING + HOUR, **BY_STAFF)
    house.bring_out()
    _remind(house.tables, order.id)
    house.bring_out()
    _do(house.tables, ending.cancel_booking, booking_id=order.id, **BY_STAFF)

    house.bring_out()

    assert [subject.partition(":")[0] for subject in house.mail.subjects] == [
        "Otrzymaliśmy Twoje zamówienie",
        "Rezerwacja potwierdzona",
        "Zmiana",
        "Stolik na Ciebie czeka",
        "Odwołano",
    ]
    uid = f"booking-{order.id}@house.example"
    assert _entries(house.mail) == [None, ("REQUEST", uid, 2), ("REQUEST", uid, 3), None, ("CANCEL", uid, 4)]
    assert [bool(message.unsubscribe_url) for message in house.mail.messages] == [False, False, False, True, False]
    assert house.sms.messages == []


def test_story__an_order_moved_and_cancelled__is_in_no_calendar(house: _House) -> None:
    order = an_order(house.tables, a_table(house.tables).id)
    _do(house.tables, moving.move_booking, booking_id=order.id, starts_at=EVENING + HOUR, **BY_STAFF)
    _do(house.tables, ending.cancel_booking, booking_id=order.id, **{**BY_STAFF, "actor": Actor("system")})

    house.bring_out()

    assert _entries(house.mail) == [None, None, None]
    assert not any("onfirm" in f"{sent.content.subject}{sent.content.text}" for sent in house.mail.messages)


def test_story__a_guest_with_a_telephone_alone__gets_short_messages(house: _House) -> None:
    order = an_order(house.tables, a_table(house.tables).id, email="", phone=_PHONE)
    _accept(house.tables, order.id)

    house.bring_out()

    assert house.mail.messages == []
    assert [message.address for message in house.sms.messages] == [_PHONE, _PHONE]
    received, confirmed = (message.content.short for message in house.sms.messages)
    assert received.startswith("We received your order, it is not decided yet: 7 May, 18:00")
    assert f"{SITE}/api/customer/cancel_booking/?id=" in received
    assert confirmed.startswith("Your table is confirmed: 7 May, 18:00, people: 2")


def test_links__delivered__are_kept_as_digests_alone_and_in_no_log(
    house: _House, capfd: pytest.CaptureFixture[str]
) -> None:
    by_mail = an_order(house.tables, a_table(house.tables).id)
    by_sms = an_order(house.tables, a_table(house.tables).id, email="", phone=_PHONE)
    _accept(house.tables, by_mail.id)
    _remind(house.tables, by_mail.id)
    tokens = _tokens(house, by_mail.id) | _tokens(house, by_sms.id)

    house.bring_out()

    assert len(tokens) == 9
    kept = house.everything_kept()
    assert [token for token in tokens if token in kept] == []
    assert all(digest_of(token) in kept for token in tokens)
    logged = "".join(capfd.readouterr())
    assert "delivery.attempted" in logged
    assert [token for token in tokens if token in logged] == []
    sent = "".join(message.content.text for message in [*house.mail.messages, *house.sms.messages])
    assert all(token in sent for token in tokens)


def test_forget__a_guests_data_is_cleared__nobody_keeps_who_it_was(house: _House) -> None:
    order = an_order(house.tables, a_table(house.tables).id, name="Gwendolyn", email="gwen@example.org")
    other = an_order(house.tables, a_table(house.tables).id, name="Barnaby")
    _do(house.tables, ending.cancel_booking, booking_id=order.id, **BY_STAFF)
    house.bring_out()
    before, later = house.everything_kept(), NOW + dt.timedelta(days=100)

    _do(house.tables, forgetting.forget_guest, booking_id=order.id, now=later)
    house.bring_out(later)

    after = house.everything_kept()
    assert [name in before for name in ("Gwendolyn", "gwen@", "Barnaby")] == [True] * 3
    assert [name in after for name in ("Gwendolyn", "gwen@", "Barnaby")] == [False, False, True]
    assert booked(house.tables, other.id).name == "Barnaby"


def test_bring_out__too_late__nobody_is_told_what_would_be_wrong(house: _House) -> None:
    order = an_order(house.tables, a_table(house.tables).id)
    late = an_order(house.tables, a_table(house.tables).id)
    _accept(house.tables, order.id)
    _remind(house.tables, order.id)

    house.bring_out(EVENING + HOUR)
    house.bring_out(EVENING + 2 * HOUR)

    rows = deliveries_of(house.notifier_database)
    assert sorted((row.type, row.aggregate == f"booking:{late.id}", row.state) for row in rows) == [
        ("booking.confirmed", False, "sent"),
        ("booking.reminder", False, "expired"),
        ("booking.requested", False, "expired"),
        ("booking.requested", True, "expired"),
    ]

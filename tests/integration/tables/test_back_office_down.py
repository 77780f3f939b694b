"""The whole way of an event, and back: booking, outbox, relay, notifier, signed HTTP, back office, decision."""

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import Connection, func, select
from starlette.testclient import TestClient

from bookwell.cli.back_office import prepare_back_office
from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy.outbox import OutboxTable
from bookwell.kit.messaging import Consumer, DirectPublisher
from bookwell.kit.outbox.relay import Relay
from bookwell.kit.request_context import in_trace
from bookwell.notifier.db import Database as NotifierDatabase
from bookwell.notifier.deliveries.rules import WEBHOOK
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from bookwell.simulators.back_office import BackOffice, BackOfficeSettings
from bookwell.simulators.back_office.courier import Post
from bookwell.simulators.back_office.ledger import Taken
from bookwell.simulators.back_office.moods import BackOfficeMood
from bookwell.simulators.http import Answer, Request
from bookwell.simulators.server import Server
from bookwell.tables.app import create_app
from bookwell.tables.bookings.models import feed_event
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.ending import cancel_booking
from bookwell.tables.bookings.services.moving import move_booking
from bookwell.tables.db import Database
from bookwell.tables.settings import TablesSettings
from tests.notifying import deliveries_of, notifier_url
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, mails, tables_url

HOUR = dt.timedelta(hours=1)
TABLES_URL = "http://127.0.0.1:9000"


@dataclass(frozen=True, slots=True)
class House:
    """A restaurant, its notifier and its back office, all in this process; the back office behind real HTTP."""

    tables: Database
    notifier: Notifier
    relay: Relay
    office: BackOffice
    heard: list[Request]

    def work(self) -> None:
        """Bring out what is due, as background processes do."""
        while self.relay.run_once(clock.now()):
            pass
        self.notifier.deliver_due(channel=WEBHOOK)

    def work_until_told(self, traveller: time_machine.Traveller) -> None:
        """Let time pass until every webhook was taken."""
        while {row.state for row in self._webhooks()} != {"sent"}:
            traveller.shift(600)
            self.work()

    def decide(self, booking_id: int, decision: str) -> None:
        """As an employee clicks."""
        request = Request("POST", "/backoffice", "", {}, b"")
        asyncio.run(self.office.answer(request, ["orders", str(booking_id), decision]))

    def count_events(self) -> int:
        """How many there were to tell."""
        return self.tables.read(lambda connection: connection.scalar(select(func.count()).select_from(feed_event))) or 0

    def _webhooks(self) -> list[Any]:
        return [row for row in deliveries_of(self.notifier.database) if row.channel == WEBHOOK]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    offices: list[BackOffice] = []
    heard: list[Request] = []
    with tables_url(tmp_path) as of_tables, notifier_url(tmp_path) as of_notifier, _served(offices, heard) as url:
        environment = prepare_back_office(tmp_path, backoffice_url=url, tables_url=TABLES_URL)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings = TablesSettings(tables_url=SITE, tables_database_url=of_tables, data_dir=tmp_path)
        service = TestClient(create_app(settings), base_url=TABLES_URL)
        tables: Database = service.app.state.site.database  # type: ignore[attr-defined]  # Starlette's application
        notifier = Notifier(NotifierSettings(data_dir=tmp_path), database=NotifierDatabase.of_url(of_notifier))
        outboxes = {"tables": OutboxTable("tables", tables.engine)}
        consumers = dict.fromkeys(("mail", "webhook"), Consumer(notifier.take_in))
        offices.append(BackOffice(BackOfficeSettings(), send=_asking(service)))
        relay = Relay(list(outboxes.values()), DirectPublisher(consumers, outboxes))
        yield House(tables, notifier, relay, offices[0], heard)
        notifier.close()
        tables.engine.dispose()


@pytest.mark.parametrize("outage", ["error", "busy", "refuse"])
def test_an_hour_of_outage__everything_arrives_after_it_in_order_and_once(house: House, outage: Any) -> None:
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}
    with time_machine.travel(NOW, tick=False) as traveller:
        table = a_table(house.tables).id
        kept, moved, gone = (an_order(house.tables, table, starts_at=EVENING + 2 * n * HOUR).id for n in (-2, -1, 0))
        steps: dict[int, Callable[[Connection], Any]] = {
            10: partial(accept_booking, booking_id=moved, **told),
            20: partial(move_booking, booking_id=moved, starts_at=EVENING - 5 * HOUR, **told),
            30: partial(cancel_booking, booking_id=gone, **told),
            40: partial(cancel_booking, booking_id=moved, **told),
        }
        house.office.mood = BackOfficeMood(outage=outage)
        for minute in range(0, 60, 2):
            if minute in steps:
                house.tables.write(steps[minute])
            house.work()
            traveller.shift(120)
        during = list(house.office.ledger.orders)
        house.office.mood = BackOfficeMood()
        house.work_until_told(traveller)

    ledger = house.office.ledger
    assert during == []
    assert {order: (known.event.version, known.event.state) for order, known in ledger.orders.items()} == {
        kept: (1, "requested"),
        moved: (4, "cancelled"),
        gone: (2, "cancelled"),
    }
    # What came behind something later would be outdated, what came twice repeated.
    assert {what: ledger.counts[what] for what in Taken} == {Taken.NEW: 7, Taken.REPEATED: 0, Taken.OUTDATED: 0}
    assert house.count_events() == 7


def test_a_decision__from_the_order_to_the_guest_and_back(house: House) -> None:
    with time_machine.travel(NOW, tick=False):
        table = a_table(house.tables).id
        first, second = (an_order(house.tables, table, email=f"{name}@example.org").id for name in ("ada", "bob"))
        house.work()
        house.decide(first, "confirm")
        house.decide(second, "confirm")
        house.decide(second, "decline")
        house.work()

    ledger = house.office.ledger
    assert [ledger.orders[order].event.state for order in (first, second)] == ["confirmed", "declined"]
    answers = [(sent.decision, sent.status, sent.code) for sent in ledger.orders[second].sent]
    assert answers == [("confirm", 409, "booking.slot_taken"), ("decline", 200, "")]
    assert ledger.orders[first].event.by == "back_office"
    assert booked(house.tables, first).backoffice_ref == f"SIM-{first}"
    assert mails(house.tables, first)[-1].type == "booking.confirmed"


def test_an_order__the_call_to_the_back_office__is_in_the_trace_of_the_request_that_placed_it(house: House) -> None:
    with time_machine.travel(NOW, tick=False):
        table = a_table(house.tables).id
        for name in "ac":
            with in_trace(f"00-{name * 32}-{'b' * 16}-01"):
                an_order(house.tables, table, email=f"{name}@example.org")
        house.work()

    assert sorted(request.headers["traceparent"][3:35] for request in house.heard) == ["a" * 32, "c" * 32]


@pytest.mark.parametrize(
    ("mood", "answers"),
    [
        ({"duplicates": "same_id"}, [(200, "")] * 2),
        ({"duplicates": "new_id"}, [(200, "")] * 2),
        ({"contradictory": True}, [(200, ""), (409, "decision.contradictory")]),
        ({"wrong_signature": True}, [(401, "webhook.signature_invalid")]),
        ({"timestamp_seconds": -360}, [(401, "webhook.signature_invalid")]),
    ],
)
def test_an_office_in_a_mood__leaves_the_booking_right(
    house: House, mood: dict[str, Any], answers: list[tuple[int, str]]
) -> None:
    with time_machine.travel(NOW, tick=False):
        order = an_order(house.tables, a_table(house.tables).id).id
        house.work()
        house.office.mood = BackOfficeMood(**mood)
        house.decide(order, "confirm")
        house.work()

    known = house.office.ledger.orders[order]
    assert [(sent.status, sent.code) for sent in known.sent] == answers
    state = "confirmed" if answers[0][0] == 200 else "requested"
    assert (booked(house.tables, order).state, known.event.state) == (state, state)


@contextmanager
def _served(offices: list[BackOffice], heard: list[Request]) -> Iterator[str]:
    """The first of the offices behind HTTP on loopback, which also remembers requests; its address."""

    async def answer(request: Request) -> Answer:
        heard.append(request)
        return await offices[0].answer(request, request.segments[1:])

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = Server(answer)
    port = asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result()
    try:
        yield f"http://127.0.0.1:{port}/backoffice"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _asking(service: TestClient) -> Post:
    """Sends to the service in this process."""

    def post(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        answer = service.post(url, content=body, headers=dict(headers))
        return answer.status_code, answer.content

    return post

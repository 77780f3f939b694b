"""Nothing that a guest wrote, or that was written about one, is left anywhere after the guest's data were cleared."""

import datetime as dt
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import Connection, MetaData, select, update
from starlette.testclient import TestClient

from bookwell.kit.ids import new_id
from bookwell.kit.webhooks import WebhookSecret, sign
from bookwell.tables.bookings.models import outbox
from bookwell.tables.bookings.services.deadlines import escalate_order
from bookwell.tables.bookings.services.forgetting import forget_guest
from bookwell.tables.bookings.services.reminding import remind_guest
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House
from bookwell.tables.floor.services.house import keep_house_in_tx
from tests.contract.tables.serving import served
from tests.restaurant import EVENING, NOW, SITE, a_table, mails, tables_url
from tests.waiters import bearer

SECRET = "whsec_" + 10 * "TmV3"
MARK, PHONE, ADDRESS = "zaphod", "48601907319", "198.51.100.77"
MARKS = (MARK, PHONE, ADDRESS)
GUEST = {
    "name": "Zaphod B.",
    "email": "Zaphod@example.org",
    "phone": f"+{PHONE}",
    "comment": "Zaphod's allergies: everything",
    "party_size": 2,
}
REASON = {"reason": "Zaphod shouted at the cook"}
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
LONG_AFTER = EVENING + 100 * DAY


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Database]:
    """A restaurant whose back office is called, and whose staff are reminded."""
    with tables_url(tmp_path) as url:
        database = Database.of_url(url, backoffice="office")
        kept = House(staff_email="staff@example.org", guest_data_days=90)
        database.write(lambda connection: keep_house_in_tx(connection, house=kept, now=NOW))
        yield database
        database.engine.dispose()


@pytest.fixture
def client(house: Database) -> Iterator[TestClient]:
    with time_machine.travel(NOW, tick=False), served(house, address=ADDRESS, tables_decision_secrets=SECRET) as client:
        yield client


class Floor:
    """Everybody who does something with a booking; each request has a key, so that its answer is kept."""

    def __init__(self, client: TestClient) -> None:
        self._client = client
        self._staff = bearer(client.app.state.site)  # type: ignore[attr-defined]  # it is FastAPI's

    def order(self, table_id: int) -> int:
        """A guest's order."""
        body = {"id": table_id, "starts_at": EVENING.isoformat(), **GUEST}
        return int(self._post("/api/customer/book_table/", body)["id"])

    def by_staff(self, verb: str, **body: Any) -> Any:
        """An employee's request."""
        return self._post(f"/api/admin/{verb}/", body, self._staff)

    def decide(self, booking_id: int, decision: str) -> None:
        """The back office's webhook."""
        body = json.dumps({"booking_id": booking_id, "decision": decision, "version": 1, **REASON}).encode()
        signed = sign([WebhookSecret.parse(SECRET)], message_id=new_id(), sent_at=NOW, body=body)
        headers = {"Content-Type": "application/json", **signed}
        answer = self._client.post("/api/backoffice/decisions", content=body, headers=headers)
        assert answer.status_code == 200, answer.text

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
        answer = self._client.post(path, json=body, headers={"Idempotency-Key": new_id(), **(headers or {})})
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()


def found(database: Database) -> set[str]:
    """The columns, of all tables that there are, in which any mark stands."""

    def read(connection: Connection) -> set[str]:
        tables = MetaData()
        tables.reflect(connection)
        return {
            f"{table.name}.{name}"
            for table in tables.sorted_tables
            for row in connection.execute(select(table)).mappings()
            for name, value in row.items()
            if any(mark in str(value).lower() for mark in MARKS)
        }

    return database.read(read)


def test_forget__whatever_was_said_by_or_about_a_guest__is_nowhere(client: TestClient, house: Database) -> None:
    floor = Floor(client)
    tables = [a_table(house).id for _ in range(6)]
    cancelled, confirmed, declined, rival = (floor.order(table) for table in (*tables[:3], tables[1]))
    house.write(partial(escalate_order, booking_id=cancelled, now=NOW + 3 * HOUR))
    floor.by_staff("accept_booking", id=cancelled, **REASON)
    floor.by_staff("move_booking", id=cancelled, table_id=tables[3])
    floor.by_staff("cancel_booking", id=cancelled, **REASON)
    floor.decide(confirmed, "confirm")
    floor.decide(declined, "decline")
    floor.by_staff("decline_booking", id=confirmed, all_taken=True, **REASON)
    closed = floor.order(tables[5])
    floor.by_staff("close_table", id=tables[5])
    made = floor.by_staff("set_booking", id=tables[4], starts_at=EVENING.isoformat(), **GUEST)["id"]
    house.write(partial(remind_guest, booking_id=made, public_url=SITE, now=EVENING - 3 * HOUR))
    house.write(lambda connection: connection.execute(update(outbox).values(error="no mailbox of zaphod's")))
    before = found(house)

    bookings = (cancelled, confirmed, declined, rival, closed, made)
    for booking_id in bookings:
        assert house.write(partial(forget_guest, booking_id=booking_id, now=LONG_AFTER))
    after = found(house)
    with time_machine.travel(LONG_AFTER, tick=False):
        Floor(client).by_staff("mark_booking", id=confirmed, state="no_show", **REASON)

    assert {
        "booking.reason",
        "booking_step.reason",
        "idempotency_key.body",
        "outbox.payload",
        "feed_event.data",
    } <= before
    assert {"booking.name", "booking.email", "booking.phone", "booking.comment", "booking.from_address"} <= before
    assert after == set()
    assert found(house) == set()


def test_forget__what_the_back_office_has_not_heard_yet__it_hears_without_the_guest(
    client: TestClient, house: Database
) -> None:
    floor = Floor(client)
    order = floor.order(a_table(house).id)
    floor.by_staff("cancel_booking", id=order, **REASON)

    house.write(partial(forget_guest, booking_id=order, now=LONG_AFTER))

    calls = [row for row in mails(house, order) if row.queue == "webhook"]
    said = [json.loads(row.payload) for row in calls]
    assert [(row.type, row.done_at) for row in calls] == [("booking.requested", None), ("booking.cancelled", None)]
    assert [(each["endpoint"], each["data"]["state"]) for each in said] == [
        ("office", "requested"),
        ("office", "cancelled"),
    ]
    assert not [mark for mark in MARKS if mark in str(said).lower()]


def test_forget__an_answer_that_is_kept__is_given_again_without_the_guest(client: TestClient, house: Database) -> None:
    table, key = a_table(house).id, {"Idempotency-Key": new_id()}
    body = {"id": table, "starts_at": EVENING.isoformat(), **GUEST}
    first = client.post("/api/customer/book_table/", json=body, headers=key)
    stranger = Floor(client).order(a_table(house).id)
    Floor(client).by_staff("decline_booking", id=first.json()["id"], **REASON)

    house.write(partial(forget_guest, booking_id=first.json()["id"], now=LONG_AFTER))
    again = client.post("/api/customer/book_table/", json=body, headers=key)

    assert (again.status_code, again.json()) == (201, first.json() | {"name": "", "reason": ""})
    assert "idempotency_key.body" in found(house)
    assert stranger != first.json()["id"]

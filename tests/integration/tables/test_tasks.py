"""What the jobs do to bookings as time goes by: once, whoever runs them, and never one at the cost of another."""

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table, func, select, text, update
from structlog.testing import capture_logs

from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.tables.accounts.models import token_session
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services.accounts import create_account
from bookwell.tables.bookings.errors import TokenUnknown
from bookwell.tables.bookings.models import (
    booking,
    feed_event,
    guest_token,
    outbox,
    reminder_link,
    reminder_opt_out,
)
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services import deciding, ending, moving
from bookwell.tables.bookings.services.forgetting import forget_guest
from bookwell.tables.bookings.services.unsubscribing import LINK_LIFE, opt_out_of_reminders
from bookwell.tables.db import Database
from bookwell.tables.floor.rules import House
from bookwell.tables.floor.services.house import keep_house_in_tx
from bookwell.tables.schema import idempotency_key
from bookwell.tables.tasks import Housekeeping
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, mails, tables_database

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
LATER = EVENING + 2 * DAY
"""Six in Warsaw, in three days."""
DAY_BEFORE = LATER - DAY


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Database]:
    """A database that nobody else has left rows in."""
    with tables_database(tmp_path) as database:
        yield database


@pytest.fixture
def jobs(own: Database) -> Housekeeping:
    house = House(staff_email="staff@example.org", guest_data_days=30)
    own.write(lambda connection: keep_house_in_tx(connection, house=house, now=NOW))
    return Housekeeping(own, SITE, keep_messages=30 * DAY, idempotency=IdempotencyStore(idempotency_key, lifetime=DAY))


def _confirmed(database: Database, starts_at: dt.datetime = LATER, *, at: dt.datetime = NOW, **guest: Any) -> int:
    order = an_order(database, a_table(database).id, starts_at=starts_at, **guest)
    _accept(database, order.id, at)
    return int(order.id)


def _accept(database: Database, booking_id: int, now: dt.datetime) -> None:
    what: dict[str, Any] = {"booking_id": booking_id, "actor": STAFF, "public_url": SITE, "now": now}
    database.write(lambda connection: deciding.accept_booking(connection, **what))


def _types(database: Database, booking_id: int, *, kind: str = "booking") -> list[str]:
    return [row.type for row in mails(database, booking_id, kind=kind)]


def _set(database: Database, booking_id: int, **values: Any) -> None:
    changed = update(booking).where(booking.c.id == booking_id).values(**values)
    database.write(lambda connection: connection.execute(changed))


def _twice_at_once(job: Callable[[], int]) -> int:
    """Two schedulers, each with connections of its own: how much they did together."""
    start = threading.Barrier(2)

    def run() -> int:
        start.wait(10)
        return job()

    with ThreadPoolExecutor(2) as threads:
        return sum(future.result() for future in [threads.submit(run) for _ in range(2)])


def test_expire__those_past_their_deadline__once(own: Database, jobs: Housekeeping) -> None:
    order, other = an_order(own, a_table(own).id), an_order(own, a_table(own).id, starts_at=NOW + 9 * HOUR)
    _set(own, other.id, decide_by=other.decide_by + 1)

    done = _twice_at_once(lambda: jobs.expire(now=NOW + 4 * HOUR))

    assert (done, jobs.expire(now=NOW + 4 * HOUR)) == (1, 0)
    assert [booked(own, each.id).state for each in (order, other)] == [State.EXPIRED, State.REQUESTED]
    assert _types(own, order.id) == ["booking.requested", "booking.expired"]


def test_escalate__half_way__tells_staff_once(own: Database, jobs: Housekeeping) -> None:
    order = an_order(own, a_table(own).id)

    early = jobs.escalate(now=NOW + 1.9 * HOUR)
    done = _twice_at_once(lambda: jobs.escalate(now=NOW + 2 * HOUR))

    assert (early, done) == (0, 1)
    assert _types(own, order.id, kind="escalation") == ["booking.escalated"]


def test_escalate__nobody_has_said_to_whom__is_in_the_log(own: Database, jobs: Housekeeping) -> None:
    own.write(lambda connection: keep_house_in_tx(connection, house=House(), now=NOW))
    order = an_order(own, a_table(own).id)

    with capture_logs() as logs:
        done = jobs.escalate(now=NOW + 2 * HOUR)

    assert (done, _types(own, order.id, kind="escalation")) == (1, [])
    assert [(entry["event"], entry["booking_id"]) for entry in logs if entry["log_level"] == "warning"] == [
        ("order.nobody_to_remind", order.id)
    ]


def test_remind__the_day_before__tells_once_with_a_link_that_ends_it(own: Database, jobs: Housekeeping) -> None:
    booking_id = _confirmed(own)
    waiting = an_order(own, a_table(own).id, starts_at=LATER)

    early = jobs.remind(now=DAY_BEFORE - dt.timedelta(seconds=1))
    done = _twice_at_once(lambda: jobs.remind(now=DAY_BEFORE))
    again = jobs.remind(now=DAY_BEFORE + HOUR)

    assert (early, done, again) == (0, 1, 0)
    assert _types(own, booking_id) == ["booking.requested", "booking.confirmed", "booking.reminder"]
    notice = json.loads(mails(own, booking_id)[-1].payload)
    assert notice["is_mandatory"] is False
    assert notice["unsubscribe_url"].startswith(f"{SITE}/api/customer/unsubscribe/?id=")
    assert _types(own, waiting.id) == ["booking.requested"]


def test_remind__confirmed_within_the_day__is_not_needed(own: Database, jobs: Housekeeping) -> None:
    order = an_order(own, a_table(own).id, starts_at=LATER)
    _set(own, order.id, decide_by=order.starts_at)
    _accept(own, order.id, DAY_BEFORE + dt.timedelta(minutes=1))

    assert jobs.remind(now=DAY_BEFORE + HOUR) == 0


def test_remind__moved_to_another_day_since__comes_again(own: Database, jobs: Housekeeping) -> None:
    booking_id = _confirmed(own)
    jobs.remind(now=DAY_BEFORE)
    what: dict[str, Any] = {"booking_id": booking_id, "actor": STAFF, "public_url": SITE, "starts_at": LATER + 7 * DAY}
    own.write(lambda connection: moving.move_booking(connection, now=DAY_BEFORE + HOUR, **what))

    done = [jobs.remind(now=DAY_BEFORE + wait) for wait in (2 * HOUR, 7 * DAY, 7 * DAY + HOUR)]

    assert done == [0, 1, 0]


def test_remind__cancelled_meanwhile__is_left_alone(own: Database, jobs: Housekeeping) -> None:
    booking_id = _confirmed(own)
    what: dict[str, Any] = {"booking_id": booking_id, "actor": STAFF, "public_url": SITE}
    own.write(lambda connection: ending.cancel_booking(connection, now=NOW, **what))

    assert jobs.remind(now=DAY_BEFORE) == 0


def test_remind__whoever_opted_out__hears_nothing_at_any_booking(own: Database, jobs: Housekeeping) -> None:
    first = _confirmed(own, email="Quiet@example.org")
    jobs.remind(now=DAY_BEFORE)
    link = json.loads(mails(own, first)[-1].payload)["unsubscribe_url"]
    token = link.partition("?id=")[2]
    second = _confirmed(own, LATER + DAY, email="quiet@example.org")
    other = _confirmed(own, LATER + DAY)

    for _ in range(2):
        own.write(lambda connection: opt_out_of_reminders(connection, token=token, now=DAY_BEFORE))
    done = jobs.remind(now=DAY_BEFORE + DAY)

    assert (done, jobs.remind(now=DAY_BEFORE + DAY)) == (1, 0)
    assert "booking.reminder" not in _types(own, second)
    assert _types(own, other)[-1] == "booking.reminder"


def test_forget__a_reminders_link__goes_a_year_after_the_visit(own: Database, jobs: Housekeeping) -> None:
    _confirmed(own)
    jobs.remind(now=DAY_BEFORE)
    over = LATER + 1.5 * HOUR + LINK_LIFE

    jobs.forget(now=over - dt.timedelta(seconds=1))
    kept = own.read(partial(_count, reminder_link))
    jobs.forget(now=over)

    assert (kept, own.read(partial(_count, reminder_link))) == (1, 0)


def test_opt_out__a_token_for_something_else__is_refused(own: Database, jobs: Housekeeping) -> None:
    booking_id = _confirmed(own)
    link = json.loads(mails(own, booking_id)[-1].payload)["facts"]["cancel_url"]

    with pytest.raises(TokenUnknown):
        own.write(lambda connection: opt_out_of_reminders(connection, token=link.partition("?id=")[2], now=NOW))

    assert own.read(partial(_count, reminder_opt_out)) == 0


def test_forget__some_days_after_the_visit__leaves_nothing_of_the_guest(own: Database, jobs: Housekeeping) -> None:
    guest: dict[str, Any] = {
        "name": "Ada Known",
        "phone": "+48600100200",
        "comment": "a window",
        "from_address": "192.0.2.7",
    }
    booking_id, recent = _confirmed(own, **guest), _confirmed(own, LATER + DAY, **guest)
    jobs = replace(jobs, keep_messages=90 * DAY)
    over = LATER + 1.5 * HOUR + 30 * DAY

    jobs.forget(now=over - dt.timedelta(seconds=1))
    assert booked(own, booking_id).name == "Ada Known"
    _twice_at_once(lambda: jobs.forget(now=over))

    row = booked(own, booking_id)
    assert (row.name, row.email, row.phone, row.comment, row.from_address) == ("",) * 5
    assert (row.state, row.price, row.party_size) == (State.CONFIRMED, 2500, 2)
    assert booked(own, recent).name == "Ada Known"
    told = mails(own, booking_id)
    assert [json.loads(each.payload) for each in told if each.type == "person.forgotten"] == [
        {"reference": f"booking:{booking_id}", "about": [f"booking:{booking_id}", f"escalation:{booking_id}"]}
    ]
    assert told[-1].done_at is None
    assert told[-1].aggregate_version > told[-2].aggregate_version
    assert all(each.payload == "{}" and each.done_at for each in told[:-1])
    fed = select(feed_event.c.data).where(feed_event.c.booking_id == booking_id)
    events = own.read(lambda connection: list(connection.scalars(fed)))
    assert {json.loads(event)[name] for event in events for name in ("name", "email", "phone", "comment")} == {""}


def test_forget_guest__takes_the_guests_tokens_along(own: Database, jobs: Housekeeping) -> None:
    booking_id = _confirmed(own)

    own.write(partial(forget_guest, booking_id=booking_id, now=LATER + 40 * DAY))

    assert own.read(partial(_count, guest_token)) == 0


def test_forget__an_order_that_nobody_ended__is_ended_first(own: Database, jobs: Housekeeping) -> None:
    order = an_order(own, a_table(own).id)
    later = EVENING + 40 * DAY

    jobs.forget(now=later)
    assert booked(own, order.id).email
    jobs.expire(now=later)
    jobs.forget(now=later)

    assert not booked(own, order.id).email


def test_forget__old_tokens_sessions_and_told_messages__go(own: Database, jobs: Housekeeping) -> None:
    booking_id = _confirmed(own, NOW + 8 * HOUR)
    receipt = update(outbox).values(done_at=int(NOW.timestamp() * 1000))
    own.write(lambda connection: connection.execute(receipt.where(outbox.c.type == "booking.requested")))
    own.write(
        lambda connection: connection.execute(receipt.where(outbox.c.type != "booking.requested").values(error="x"))
    )
    _open_session(own, expires_at=NOW + DAY)
    own.write(_keep_a_key)

    jobs.forget(now=NOW + 29 * DAY)
    kept = _types(own, booking_id)
    jobs.forget(now=NOW + 31 * DAY)

    assert kept == ["booking.requested", "booking.confirmed"]
    assert "booking.requested" not in _types(own, booking_id)
    assert "booking.confirmed" in _types(own, booking_id)
    for table in (guest_token, token_session, idempotency_key, feed_event):
        assert own.read(partial(_count, table)) == 0


@pytest.mark.parametrize("job", ["remind", "forget"])
def test_job__one_of_them_fails__the_others_are_done(own: Database, jobs: Housekeeping, job: str) -> None:
    first, bad, last = (_confirmed(own, LATER + minute * HOUR / 60) for minute in range(3))
    _fail_on(own, bad)

    getattr(jobs, job)(now=DAY_BEFORE + HOUR if job == "remind" else LATER + 40 * DAY)

    column = "reminded_at" if job == "remind" else "cleared_at"
    assert [getattr(booked(own, each), column) is not None for each in (first, bad, last)] == [True, False, True]


@pytest.mark.parametrize("job", ["expire", "escalate"])
def test_job__one_order_fails__the_others_are_done(own: Database, jobs: Housekeeping, job: str) -> None:
    first, bad, last = (an_order(own, a_table(own).id).id for _ in range(3))
    _fail_on(own, bad)

    getattr(jobs, job)(now=NOW + (4 if job == "expire" else 2) * HOUR)

    column = "decide_by" if job == "expire" else "escalate_at"
    assert [getattr(booked(own, each), column) is None for each in (first, bad, last)] == [True, False, True]


def _fail_on(database: Database, booking_id: int) -> None:
    """Let every change of a booking fail in the database."""
    trigger = f"CREATE TRIGGER spoiled BEFORE UPDATE ON booking FOR EACH ROW WHEN (NEW.id = {booking_id})"
    if database.engine.dialect.name == "sqlite":
        statements = [f"{trigger} BEGIN SELECT RAISE(ABORT, 'spoiled'); END"]
    else:
        function = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'spoiled'; END $$"
        statements = [function, f"{trigger} EXECUTE FUNCTION spoil()"]
    for statement in statements:
        database.write(partial(_execute, statement))


def _keep_a_key(connection: Connection) -> None:
    """Somebody sent one with a request."""
    answer = {"status": 201, "headers": "{}", "body": "", "created_at": int(NOW.timestamp() * 1000)}
    connection.execute(idempotency_key.insert().values(digest="d" * 64, fingerprint="f" * 64, **answer))


def _execute(statement: str, connection: Connection) -> None:
    connection.execute(text(statement))


def _count(table: Table, connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _open_session(database: Database, *, expires_at: dt.datetime) -> None:
    moment = int(expires_at.timestamp() * 1000)
    times = {"created_at": moment, "rotated_at": moment, "expires_at": moment}
    row = {"sid": "a-session", "refresh_hash": "x", "generation": 0, **times}

    def work(connection: Any) -> None:
        what: dict[str, Any] = {"username": "ada", "password_hash": "x", "role": Role.STAFF, "now": NOW}
        connection.execute(token_session.insert().values(account_id=create_account(connection, **what), **row))

    database.write(work)

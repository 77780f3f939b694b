"""Webhooks from the message to the receiver: order, schedule, what is gone, dead letters and their replay."""

import datetime as dt
import json
from collections.abc import Callable
from email import message_from_bytes
from email.policy import default as default_policy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import update

from bookwell.contracts.messages import Envelope
from bookwell.kit import clock, ids
from bookwell.kit.messaging import Poison
from bookwell.kit.request_context import traceparent
from bookwell.kit.tracing import TRACEPARENT_LENGTH
from bookwell.kit.webhooks import WebhookSecret, verify
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.models import delivery
from bookwell.notifier.deliveries.queries import list_endpoints
from bookwell.notifier.deliveries.rules import SCHEDULES, WEBHOOK
from bookwell.notifier.deliveries.services.endpoints import EndpointDisabled, enable_endpoint_in_tx, replay_in_tx
from bookwell.notifier.deliveries.services.record import retry_in_tx
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.notifying import an_envelope, attempts_of, deliveries_of
from tests.receivers import Receiver, Reply, receiver

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_DOWN, _GONE = Reply(500), Reply(410)
_TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"

Make = Callable[..., Notifier]


@pytest.fixture
def make(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a notifier whose endpoints, by name, are these receivers."""
    monkeypatch.setenv("BACKOFFICE_SECRET", _SECRET)

    def make(settings: dict[str, Any] | None = None, **receivers: Receiver) -> Notifier:
        entries = (
            f'[endpoints.{name}]\nurl = "{server.url}"\nsecret_env = "BACKOFFICE_SECRET"\nprivate = true\n'
            for name, server in receivers.items()
        )
        (tmp_path / "webhooks.toml").write_text("\n".join(entries))
        return Notifier(NotifierSettings(data_dir=tmp_path, **(settings or {})), database=database)

    return make


def _message(
    *,
    version: int = 1,
    aggregate: str = "booking:1",
    endpoint: str = "backoffice",
    traceparent: str = "",
    **data: Any,
) -> Envelope:
    return Envelope(
        traceparent=traceparent,
        event_id=ids.new_id(),
        source="tables",
        queue="webhook",
        type="booking.requested",
        version=1,
        aggregate=aggregate,
        aggregate_version=version,
        created_at=1_800_000_000_000,
        payload={"endpoint": endpoint, "data": {"booking_id": 1} | data},
    )


def _take_in(notifier: Notifier, *messages: Envelope) -> None:
    notifier.take_in(messages)
    notifier.deliver(messages)


def _versions(server: Receiver) -> list[int]:
    return [json.loads(got.body)["data"]["version"] for got in server.received]


def _states(database: Database) -> list[str]:
    return [row.state for row in deliveries_of(database)]


def test_deliver__a_message__arrives_signed_with_its_type_time_and_version(database: Database, make: Make) -> None:
    message = _message(version=3, name="Żółw")
    with receiver() as server:
        _take_in(make(backoffice=server), message)

    (got,) = server.received
    assert verify(got.headers, got.body, secrets=[WebhookSecret.parse(_SECRET)], now=clock.now()) == message.event_id
    assert json.loads(got.body) == {
        "type": "booking.requested",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {"booking_id": 1, "name": "Żółw", "version": 3},
    }
    (row,) = deliveries_of(database)
    assert (row.state, row.channel, row.address, row.recipient) == ("sent", "webhook", "backoffice", "backoffice")
    assert _SECRET not in repr(row)
    assert str(server.port) not in repr(row)


@pytest.mark.parametrize("sent", [_TRACEPARENT, "", "nonsense" * 20])
def test_deliver__every_attempt__is_another_span_of_the_messages_trace(
    database: Database, make: Make, sent: str
) -> None:
    message = _message(traceparent=sent)
    with receiver(_DOWN) as server, time_machine.travel(clock.now(), tick=False) as traveller:
        notifier = make(backoffice=server)
        _take_in(notifier, message)
        traveller.shift(60)
        notifier.deliver_due(channel=WEBHOOK)

    (row,) = deliveries_of(database, message)
    spans = [got.headers["traceparent"] for got in server.received]
    assert [span[:35] for span in spans] == [row.traceparent[:35]] * 2
    assert len({sent, row.traceparent, *spans}) == 4
    assert (row.traceparent[:35] == sent[:35]) is (sent == _TRACEPARENT)
    assert (row.state, traceparent()) == ("sent", "")


def test_deliver__taken_in_before_traces_were_kept__begins_one(database: Database, make: Make) -> None:
    with receiver() as server:
        notifier = make(backoffice=server)
        notifier.take_in([_message()])
        database.write(lambda tx: tx.execute(update(delivery).values(traceparent="")))
        notifier.deliver_due(channel=WEBHOOK)

    assert len(server.received[0].headers["traceparent"]) == TRACEPARENT_LENGTH


def test_deliver__the_same_message_again__is_sent_once(database: Database, make: Make) -> None:
    message = _message()
    with receiver() as server:
        notifier = make(backoffice=server)
        _take_in(notifier, message)
        _take_in(notifier, message)

    assert len(server.received) == 1


def test_deliver__an_hour_of_outage__everything_comes_after_it_in_order_and_once(
    database: Database, make: Make
) -> None:
    messages = [
        _message(aggregate=f"booking:{booking}", version=version) for version in (1, 2, 3) for booking in (1, 2)
    ]
    with receiver(usual=_DOWN) as server, time_machine.travel(clock.now(), tick=False) as traveller:
        notifier = make(backoffice=server)
        _take_in(notifier, *messages)
        for _ in range(30):
            traveller.shift(120)
            notifier.deliver_due(channel=WEBHOOK)
        during, server.usual = list(server.received), Reply()
        server.received.clear()
        while "queued" in _states(database):
            traveller.shift(600)
            notifier.deliver_due(channel=WEBHOOK)

    assert {json.loads(got.body)["data"]["version"] for got in during} == {1}
    assert sorted(_versions(server)) == [1, 1, 2, 2, 3, 3]
    by_id = {message.event_id: message for message in messages}
    arrived = [by_id[got.headers["webhook-id"]] for got in server.received]
    for booking in ("booking:1", "booking:2"):
        assert [each.aggregate_version for each in arrived if each.aggregate == booking] == [1, 2, 3]


def test_deliver__down_for_ever__keeps_the_whole_schedule_then_is_a_dead_letter(database: Database, make: Make) -> None:
    with receiver(usual=_DOWN) as server, time_machine.travel(clock.now(), tick=False) as traveller:
        notifier = make(backoffice=server)
        _take_in(notifier, _message())
        for _ in range(9):
            due = deliveries_of(database)[0].next_attempt_at / 1000 + 0.01
            traveller.move_to(due, tick=False)
            notifier.deliver_due(channel=WEBHOOK)

    (row,) = deliveries_of(database)
    attempts = attempts_of(database, row.id)
    assert (row.state, row.attempts, len(server.received)) == ("failed", 10, 10)
    assert {each.code for each in attempts} == {500}
    pauses = [(after.began_at - before.ended_at) / 1000 for before, after in pairwise(attempts)]
    hours = [hour * 3600 for hour in (2, 5, 10, 14, 20, 24)]
    for pause, wanted in zip(pauses, [5, 300, 1800, *hours], strict=True):
        assert 0.899 * wanted <= pause <= 1.101 * wanted


def test_deliver__retry_after__is_waited_for_by_all_that_go_there_and_nobody_else(
    database: Database, make: Make
) -> None:
    busy = Reply(429, {"Retry-After": "900"})
    with receiver(busy) as server, receiver() as other, time_machine.travel(clock.now(), tick=False) as traveller:
        notifier = make(backoffice=server, other=other)
        messages = [_message(aggregate=f"booking:{number}") for number in range(3)]
        _take_in(notifier, *messages, _message(aggregate="booking:9", endpoint="other"))
        traveller.shift(899)
        notifier.deliver_due(channel=WEBHOOK)
        before = len(server.received), len(other.received)
        traveller.shift(2)
        notifier.deliver_due(channel=WEBHOOK)

    assert before == (1, 1)
    assert len(server.received) == 4
    assert set(_states(database)) == {"sent"}


def test_deliver__retry_after__is_waited_for_by_what_comes_later_too(database: Database, make: Make) -> None:
    busy = Reply(503, {"Retry-After": "900"})
    with receiver(busy) as server, receiver() as other, time_machine.travel(clock.now(), tick=False) as traveller:
        notifier = make(backoffice=server, other=other)
        _take_in(notifier, _message())
        traveller.shift(1)
        later = [_message(aggregate=f"booking:{number}") for number in range(30)]
        _take_in(notifier, *later, _message(aggregate="booking:99", endpoint="other"))
        notifier.deliver_due(channel=WEBHOOK)
        before = len(server.received), len(other.received)
        attempts = {row.attempts for row in deliveries_of(database, *later)}
        traveller.shift(900)
        notifier.deliver_due(channel=WEBHOOK)

    assert before == (1, 1)
    assert attempts == {0}
    assert len(server.received) == 32
    assert set(_states(database)) == {"sent"}


def test_deliver__asked_to_stay_away_for_decades__nothing_waits_longer_than_a_day(
    database: Database, make: Make
) -> None:
    with receiver(Reply(503, {"Retry-After": "999999999"})) as server, time_machine.travel(clock.now(), tick=False):
        _take_in(make(backoffice=server), *[_message(aggregate=f"booking:{number}") for number in range(3)])
        tomorrow = (clock.now() + dt.timedelta(days=1)).timestamp() * 1000

    assert [row.state for row in deliveries_of(database)] == ["queued"] * 3
    assert all(row.next_attempt_at <= tomorrow for row in deliveries_of(database))


def test_deliver__gone__disables_the_endpoint_and_what_waits_or_comes_later_is_dead(
    database: Database, make: Make
) -> None:
    first, waiting, later = (_message(version=version) for version in (1, 2, 3))
    with receiver(_GONE) as server:
        notifier = make(backoffice=server)
        notifier.take_in([first, waiting])
        notifier.deliver([first])
        _take_in(notifier, later)
        refused = deliveries_of(database, later)[0].id

    assert len(server.received) == 1
    assert _states(database) == ["failed"] * 3
    assert [row.reason for row in deliveries_of(database)][1:] == [
        "the endpoint is disabled: it said that it is gone"
    ] * 2
    assert {row.channel for row in deliveries_of(database)} == {WEBHOOK}  # no address of staff is known
    (endpoint,) = database.read(list_endpoints)
    assert (endpoint.name, endpoint.dead_letters, endpoint.disabled_at is not None) == ("backoffice", 3, True)
    for work in (
        lambda tx: retry_in_tx(tx, delivery_id=refused, now=clock.now()),
        lambda tx: replay_in_tx(tx, name="backoffice", now=clock.now()),
    ):
        with pytest.raises(EndpointDisabled):
            database.write(work)
    assert _states(database) == ["failed"] * 3


@pytest.mark.parametrize(("language", "greeting"), [("en", "Hello,"), ("pl", "Dzień dobry!"), ("ru", "Здравствуйте!")])
def test_deliver__gone__staff_are_told_once_each_time(
    database: Database, make: Make, tmp_path: Path, language: str, greeting: str
) -> None:
    settings = {"staff_email": "staff@house.example", "staff_language": language}
    with receiver(usual=_GONE) as server:
        notifier = make(settings, backoffice=server)
        _take_in(notifier, _message(aggregate="booking:1"), _message(aggregate="booking:2"))
        database.write(lambda tx: enable_endpoint_in_tx(tx, name="backoffice", now=clock.now()))
        notifier.deliver_due(channel=WEBHOOK)
    notifier.deliver_due()

    told = [row for row in deliveries_of(database) if row.type == "endpoint.disabled"]
    traces = {got.headers["traceparent"][3:35] for got in server.received}
    assert {row.traceparent[3:35] for row in told} <= traces
    assert [(row.state, row.address, row.aggregate) for row in told] == [
        ("sent", "staff@house.example", "backoffice")
    ] * 2
    mail = message_from_bytes((tmp_path / "mails" / f"{told[0].id}.eml").read_bytes(), policy=default_policy)
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith(greeting)
    assert "backoffice" in body.get_content()
    assert "backoffice" in mail["Subject"]


def test_enable__an_endpoint_that_was_gone__gets_its_dead_letters_in_order(database: Database, make: Make) -> None:
    with receiver(_GONE) as server:
        notifier = make(backoffice=server)
        _take_in(notifier, *(_message(version=version) for version in (1, 2, 3)))
        server.received.clear()
        count = database.write(lambda tx: enable_endpoint_in_tx(tx, name="backoffice", now=clock.now()))
        notifier.deliver_due(channel=WEBHOOK)

    assert count == 3
    assert _versions(server) == [1, 2, 3]
    assert _states(database) == ["sent"] * 3
    assert database.read(list_endpoints) == []


def test_retry__one_dead_letter__has_the_whole_schedule_again(database: Database, make: Make) -> None:
    with receiver() as server:
        notifier = make(other=server)
        _take_in(notifier, _message())
        (dead,) = deliveries_of(database)
        database.write(lambda tx: retry_in_tx(tx, delivery_id=dead.id, now=clock.now()))
        (again,) = deliveries_of(database)
        make(backoffice=server).deliver_due(channel=WEBHOOK)

    assert (dead.state, dead.reason) == ("failed", "no endpoint of this name is configured")
    assert again.attempts_allowed == 1 + SCHEDULES[WEBHOOK].attempts
    assert _states(database) == ["sent"]


@pytest.mark.parametrize(
    "payload",
    [
        {"data": {}},
        {"endpoint": "backoffice", "data": []},
        {"endpoint": "", "data": {}},
        {"endpoint": "a\nb", "data": {}},
        {"endpoint": "backoffice", "data": {"x": "y" * 20_000}},
    ],
)
def test_take_in__what_is_no_webhook__is_refused(database: Database, make: Make, payload: dict[str, Any]) -> None:
    with pytest.raises(Poison):
        make().take_in([_message().model_copy(update={"payload": payload})])

    assert deliveries_of(database) == []


def test_deliver_due__each_channel__has_its_own_limit_per_second(database: Database, make: Make) -> None:
    with receiver() as server:
        notifier = make({"mail_per_second": 1, "webhook_per_second": 1000}, backoffice=server)
        notifier.take_in([an_envelope(aggregate=f"reservation:{number}") for number in range(5)])
        notifier.take_in([_message(aggregate=f"booking:{number}") for number in range(5)])
        notifier.deliver_due(seconds=0.01)
        notifier.deliver_due(channel=WEBHOOK, seconds=60)

    states = [(row.channel, row.state) for row in deliveries_of(database)]
    assert states.count(("webhook", "sent")) == 5
    assert states.count(("email", "sent")) < 5


def test_forget__after_a_month__what_webhooks_said_is_gone(database: Database, make: Make) -> None:
    with receiver() as server:
        notifier = make(backoffice=server)
        _take_in(notifier, _message())
        with time_machine.travel(clock.now() + dt.timedelta(days=31)):
            notifier.forget()

    assert [(row.state, row.notice, row.address) for row in deliveries_of(database)] == [("sent", "", "")]

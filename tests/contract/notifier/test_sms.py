"""The SMS channel against a provider on loopback."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest

from bookwell.kit import clock
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.channels.sms import SmsChannel, SmsProvider
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.rendering import RenderedMessage
from tests.receivers import Receiver, Reply, receiver

_NUMBER = "+48601234567"


def _message(address: str = _NUMBER) -> Message:
    content = RenderedMessage("subject", "long text", "", None, short="Gotowe: Żółw & co")
    return Message("d-1", address, "Ada", clock.now(), content)


def _send(server: Receiver, **provider: Any) -> Verdict:
    return SmsChannel(SmsProvider(server.url, **provider), deadline_seconds=5).send(_message())


def test_send__as_json__has_the_fields_of_the_settings() -> None:
    with receiver(Reply(201)) as server:
        verdict = _send(
            server, to_field="recipient", text_field="content", from_field="sender", sender="Library",
            id_field="reference", auth_header="X-Key", auth="hush",
        )  # fmt: skip

    (got,) = server.received
    assert (verdict.outcome, verdict.code) == (AttemptOutcome.ACCEPTED, 201)
    assert (got.method, got.target) == ("POST", "/hooks?of=bookwell")
    assert json.loads(got.body) == {
        "recipient": _NUMBER, "content": "Gotowe: Żółw & co", "sender": "Library", "reference": "d-1",
    }  # fmt: skip
    assert (got.headers["X-Key"], got.headers["Idempotency-Key"]) == ("hush", "d-1")
    assert got.headers["Content-Type"] == "application/json"


def test_send__as_a_form_or_in_the_url__says_the_same() -> None:
    with receiver() as server:
        _send(server, is_json=False, method="PUT")
        _send(server, method="GET")

    form, query = server.received
    wanted = {"to": [_NUMBER], "text": ["Gotowe: Żółw & co"]}
    assert form.method == "PUT"
    assert form.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(form.body.decode()) == wanted
    assert (query.method, query.body) == ("GET", b"")
    assert parse_qs(query.target.partition("?")[2]) == wanted | {"of": ["bookwell"]}
    assert "Authorization" not in query.headers


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (302, AttemptOutcome.UNREACHABLE),
        (400, AttemptOutcome.REFUSED),
        (401, AttemptOutcome.UNREACHABLE),
        (402, AttemptOutcome.UNREACHABLE),
        (408, AttemptOutcome.TRANSIENT),
        (422, AttemptOutcome.REFUSED),
        (429, AttemptOutcome.UNREACHABLE),
        (500, AttemptOutcome.UNREACHABLE),
    ],
)
def test_send__each_status__is_about_the_message_or_about_us(status: int, outcome: AttemptOutcome) -> None:
    with receiver(Reply(status, {"Retry-After": "7"})) as server:
        verdict = _send(server)

    assert (verdict.outcome, verdict.code) == (outcome, status)
    assert (verdict.retry_after.total_seconds() == 7) == (outcome is not AttemptOutcome.REFUSED)


def test_send__a_number_that_nobody_has__is_refused_unasked() -> None:
    with receiver() as server:
        verdict = SmsChannel(SmsProvider(server.url), deadline_seconds=5).send(_message("+481"))

    assert verdict.outcome is AttemptOutcome.REFUSED
    assert server.received == []


def test_provider__shown__keeps_its_secrets() -> None:
    shown = repr(SmsProvider("https://sms.example/?key=hush", auth="hush"))

    assert "hush" not in shown

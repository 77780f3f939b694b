"""The webhook channel against real receivers on loopback, good and bad."""

import datetime as dt
import json
from email.utils import format_datetime
from urllib.parse import urlsplit

import pytest

from bookwell.kit import clock
from bookwell.kit.webhooks import WebhookSecret, verify
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.channels.webhook import WebhookChannel
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.endpoints import Endpoint
from bookwell.notifier.rendering import RenderedMessage
from tests.infrastructure.servers import free_port
from tests.receivers import Reply, receiver

_SECRET = WebhookSecret(bytes(range(32)))
_OLD_SECRET = WebhookSecret(bytes(range(1, 33)))
_BODY = json.dumps({"type": "booking.requested", "data": {"name": "Żółw", "version": 3}})


def _channel(url: str, *, is_private_allowed: bool = True, deadline: float = 5) -> WebhookChannel:
    endpoint = Endpoint("backoffice", urlsplit(url), (_SECRET, _OLD_SECRET), is_private_allowed)
    return WebhookChannel({"backoffice": endpoint}, deadline_seconds=deadline)


def _message(address: str = "backoffice") -> Message:
    content = RenderedMessage("booking.requested", _BODY, "", None)
    return Message("event-1", address, "", clock.now(), content)


def _send_to(*replies: Reply, deadline: float = 5) -> Verdict:
    with receiver(*replies) as server:
        return _channel(server.url, deadline=deadline).send(_message())


def test_send__a_good_receiver__gets_the_body_signed_with_each_secret() -> None:
    with receiver() as server:
        verdict = _channel(server.url).send(_message())

    (got,) = server.received
    assert (verdict.outcome, verdict.code, verdict.answer) == (AttemptOutcome.ACCEPTED, 204, "204 No Content")
    assert (got.method, got.target, got.body.decode()) == ("POST", "/hooks?of=bookwell", _BODY)
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Host"] == f"127.0.0.1:{server.port}"
    for secret in (_SECRET, _OLD_SECRET):
        assert verify(got.headers, got.body, secrets=[secret], now=clock.now()) == "event-1"


def test_send__again__has_the_same_id_and_a_new_time() -> None:
    with receiver() as server:
        channel = _channel(server.url)
        channel.send(_message())
        clock.set_offset(1)
        try:
            channel.send(_message())
        finally:
            clock.set_offset(0)

    first, second = (got.headers for got in server.received)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(first["webhook-timestamp"]) < int(second["webhook-timestamp"])
    assert first["webhook-signature"] != second["webhook-signature"]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, AttemptOutcome.ACCEPTED),
        (202, AttemptOutcome.ACCEPTED),
        (301, AttemptOutcome.TRANSIENT),
        (304, AttemptOutcome.TRANSIENT),
        (400, AttemptOutcome.TRANSIENT),
        (404, AttemptOutcome.TRANSIENT),
        (410, AttemptOutcome.GONE),
        (429, AttemptOutcome.UNREACHABLE),
        (500, AttemptOutcome.TRANSIENT),
        (503, AttemptOutcome.UNREACHABLE),
    ],
)
def test_send__each_status__means_what_is_written(status: int, outcome: AttemptOutcome) -> None:
    verdict = _send_to(Reply(status))

    assert (verdict.outcome, verdict.code) == (outcome, status)


def test_send__a_redirect__is_not_followed() -> None:
    with receiver() as elsewhere, receiver(usual=Reply(307, {"Location": elsewhere.url})) as server:
        verdict = _channel(server.url).send(_message())

    assert (verdict.outcome, verdict.code) == (AttemptOutcome.TRANSIENT, 307)
    assert elsewhere.received == []


@pytest.mark.parametrize("status", [429, 503])
def test_send__retry_after__is_read_as_seconds_and_as_a_date(status: int) -> None:
    later = format_datetime(clock.now() + dt.timedelta(hours=2), usegmt=True)

    by_seconds = _send_to(Reply(status, {"Retry-After": "120"}))
    by_date = _send_to(Reply(status, {"Retry-After": later}))
    by_nonsense = _send_to(Reply(status, {"Retry-After": "soon"}))
    by_no_year = _send_to(Reply(status, {"Retry-After": "Mon, 1 Jan 99999999999999999999 00:00:00 GMT"}))

    assert by_seconds.retry_after == dt.timedelta(seconds=120)
    assert dt.timedelta(minutes=119) < by_date.retry_after <= dt.timedelta(hours=2)
    assert by_nonsense.retry_after == by_no_year.retry_after == dt.timedelta(0)


@pytest.mark.parametrize("reply", [Reply(after_seconds=60), Reply(dribble_seconds=60)], ids=["silent", "dribbling"])
def test_send__a_slow_receiver__keeps_nobody_longer_than_the_deadline(reply: Reply) -> None:
    with receiver(reply) as server:
        verdict = _channel(server.url, deadline=0.3).send(_message())

    assert verdict == Verdict(AttemptOutcome.UNREACHABLE, 0, "no answer in time")


def test_send__nobody_listens_or_hangs_up__is_told_without_the_url() -> None:
    refused = _channel(f"http://127.0.0.1:{free_port()}/secret-path").send(_message())
    hung_up = _send_to(Reply(hangs_up=True))

    assert {refused.outcome, hung_up.outcome} == {AttemptOutcome.UNREACHABLE}
    assert "ConnectionRefusedError" in refused.answer
    assert "secret-path" not in refused.answer
    assert hung_up.answer.startswith("RemoteDisconnected")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_send__a_private_address__is_not_even_connected_to_unless_allowed(host: str) -> None:
    with receiver() as server:
        url = f"http://{host}:{server.port}/"
        refused = _channel(url, is_private_allowed=False).send(_message())
        before = len(server.received)
        allowed = _channel(url).send(_message())

    assert (refused.outcome, before) == (AttemptOutcome.UNREACHABLE, 0)
    assert "its address is private" in refused.answer
    assert allowed.outcome is AttemptOutcome.ACCEPTED


def test_send__no_such_endpoint__is_refused() -> None:
    verdict = _channel("http://127.0.0.1:1/").send(_message("elsewhere"))

    assert verdict == Verdict(AttemptOutcome.REFUSED, 0, "no endpoint of this name is configured")

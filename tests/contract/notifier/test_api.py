"""The notifier over HTTP: who may see deliveries, pages of them, problems, and the mails of the embedded mode."""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from bookwell.kit import clock
from bookwell.kit.key_ring import KeyRing
from bookwell.kit.tokens import TokenSigner, TokenVerifier, TrustedIssuer
from bookwell.notifier.app import make_app
from bookwell.notifier.channels.files import FileTransport
from bookwell.notifier.channels.mail import MailChannel
from bookwell.notifier.db import Database
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.migrating import migrate
from bookwell.notifier.rendering import RenderedMessage
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.notifying import RememberingChannel, an_envelope, make_notifier

_ISSUER = "https://library.example"
_REFUSED = Verdict(AttemptOutcome.REFUSED, 550, "550 no such user")


@dataclass(slots=True)
class _World:
    """A service with a database and a folder of its own, and tokens that it trusts."""

    client: FlaskClient
    database: Database
    settings: NotifierSettings
    signer: TokenSigner

    def bearer(self, *roles: str) -> dict[str, str]:
        token = self.signer.sign(subject="1", session_id="s", roles=roles, now=clock.now())
        return {"Authorization": f"Bearer {token}"}

    def get(self, path: str, *roles: str, **options: Any) -> Any:
        return self.client.get(path, headers=self.bearer(*roles) if roles else {}, **options)

    def notifier(self, channel: Any) -> Notifier:
        return make_notifier(self.database, channel=channel)[0]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[_World]:
    settings = NotifierSettings(data_dir=tmp_path)
    migrate(settings.database_url)
    ring = KeyRing(tmp_path / "keys", retain=dt.timedelta(hours=1))
    verifier = TokenVerifier([TrustedIssuer(_ISSUER, "bookwell", ring)])
    database = Database.of_url(settings.database_url)
    app = make_app(settings, database=database, verifier=verifier)
    signer = TokenSigner(ring, issuer=_ISSUER, audience="bookwell", lifetime=dt.timedelta(minutes=5))
    yield _World(app.test_client(), database, settings, signer)
    database.engine.dispose()


def _send(world: _World, number: int, *verdicts: Verdict, **changes: Any) -> list[str]:
    """So many deliveries; the ids of their events."""
    notifier = world.notifier(RememberingChannel(list(verdicts)))
    envelopes = [an_envelope(aggregate=f"reservation:{index}", **changes) for index in range(number)]
    notifier.take_in(envelopes)
    notifier.deliver(envelopes)
    return [envelope.event_id for envelope in envelopes]


def _assert_problem(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert (answer.json["status"], answer.json["code"]) == (status, code)
    assert answer.json["trace_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", ["/deliveries", "/deliveries?limit=wrong", f"/deliveries/{'0' * 36}", "/deliveries/x"])
def test_deliveries__without_a_good_token__are_401_whatever_else_is_wrong(world: _World, path: str) -> None:
    for headers in ({}, {"Authorization": "Basic x"}, {"Authorization": "Bearer x.y.z"}):
        answer = world.client.get(path, headers=headers)

        _assert_problem(answer, 401, "auth.required")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_deliveries__by_role__are_shown_and_retried(world: _World) -> None:
    (event,) = _send(world, 1, _REFUSED)
    delivery_id = world.get(f"/deliveries?event={event}", "admin").json["items"][0]["id"]
    retry = f"/deliveries/{delivery_id}/retry"

    seen = {role: world.get("/deliveries", role).status_code for role in ("reader", "staff", "librarian", "admin")}
    refused = world.client.post(retry, headers=world.bearer("staff"))
    retried = world.client.post(retry, headers=world.bearer("librarian"))

    assert seen == {"reader": 403, "staff": 200, "librarian": 200, "admin": 200}
    _assert_problem(refused, 403, "auth.role_forbidden")
    assert retried.status_code == 200
    assert retried.get_json()["delivery"]["state"] == "queued"
    _assert_problem(world.client.post(retry, headers=world.bearer("admin")), 409, "delivery.retry_refused")
    assert world.notifier(RememberingChannel()).deliver_due() == 1
    assert world.get(f"/deliveries/{delivery_id}", "admin").json["delivery"]["state"] == "sent"


def test_deliveries__one__shows_attempts_and_no_address(world: _World) -> None:
    (event,) = _send(world, 1, _REFUSED)
    found = world.get(f"/deliveries?event={event}", "admin").json["items"][0]

    answer = world.get(f"/deliveries/{found['id']}", "staff")

    assert answer.json["delivery"] == found
    assert [(each["number"], each["outcome"], each["code"], each["answer"]) for each in answer.json["attempts"]] == [
        (1, "refused", 550, "550 no such user")
    ]
    assert "reader@example.org" not in answer.text


def test_deliveries__pages__lead_through_all_and_back(world: _World) -> None:
    events = set(_send(world, 7))

    pages = [world.get("/deliveries?limit=3", "admin").json]
    while pages[-1]["next"]:
        pages.append(world.get(pages[-1]["next"], "admin").json)
    back = world.get(pages[2]["previous"], "admin").json

    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    assert {item["event_id"] for page in pages for item in page["items"]} == events
    assert back["items"] == pages[1]["items"]
    assert pages[0]["previous"] is None


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("state=sent", 2),
        ("state=failed", 1),
        ("aggregate=reservation:1", 1),
        ("recipient=user:5", 3),
        ("recipient=user:6", 0),
        ("state=sent&aggregate=reservation:0", 0),
    ],
)
def test_deliveries__filters__hold_together(world: _World, query: str, number: int) -> None:
    _send(world, 3, _REFUSED)

    assert len(world.get(f"/deliveries?{query}", "admin").json["items"]) == number


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/deliveries?state=lost", 422, "request.invalid"),
        ("/deliveries?limit=0", 422, "request.invalid"),
        ("/deliveries?event=%00", 422, "request.invalid"),
        ("/deliveries?cursor=x", 422, "page.cursor_invalid"),
        (f"/deliveries/{'0' * 36}", 404, "delivery.not_found"),
        ("/deliveries/%00", 404, "delivery.not_found"),
        ("/nothing", 404, "http.not_found"),
    ],
)
def test_problems__whatever_is_wrong__say_so_in_one_shape(world: _World, path: str, status: int, code: str) -> None:
    _assert_problem(world.get(path, "admin"), status, code)


def test_problems__http_itself__is_answered_alike(world: _World) -> None:
    not_allowed = world.client.post("/deliveries")
    not_acceptable = world.client.get("/messages", headers={"Accept": "text/html"})
    other_host = world.client.get("/messages", headers={"Host": "rebound.example"})

    _assert_problem(not_allowed, 405, "http.method_not_allowed")
    assert not_allowed.headers["Allow"] == "GET, HEAD, OPTIONS"
    _assert_problem(not_acceptable, 406, "http.not_acceptable")
    _assert_problem(other_host, 400, "http.bad_request")


def test_problems__a_failure_of_ours__says_nothing_about_its_cause(world: _World, tmp_path: Path) -> None:
    world.database.engine.dispose()
    for file in tmp_path.glob("notifier.sqlite3*"):
        file.unlink()

    answer = world.get("/deliveries", "admin")

    _assert_problem(answer, 500, "http.internal_error")
    assert "sqlite" not in answer.text
    assert "delivery" not in answer.json["detail"]
    _assert_problem(world.get("/health/ready"), 503, "http.unavailable")
    assert world.get("/health").json["state"] == "down"
    assert world.get("/health/live").status_code == 200


def test_operators__ask__health_and_metrics(world: _World) -> None:
    _send(world, 3, _REFUSED)

    metrics = world.client.get("/metrics")

    assert world.get("/health/ready").status_code == 200
    assert re.search(r'bookwell_notifier_deliveries\{state="sent"\} 2\.0', metrics.text)
    assert re.search(r'bookwell_notifier_deliveries\{state="failed"\} 1\.0', metrics.text)
    assert "bookwell_notifier_oldest_queued_seconds 0.0" in metrics.text


def test_openapi__the_document__names_operations_and_problems(world: _World) -> None:
    document = world.get("/openapi.json").json

    assert set(document["paths"]) == {
        "/deliveries",
        "/deliveries/{delivery_id}",
        "/deliveries/{delivery_id}/retry",
        "/endpoints",
        "/endpoints/{name}/enable",
        "/endpoints/{name}/replay",
        "/messages",
    }
    operation = document["paths"]["/deliveries"]["get"]
    assert operation["security"] == [{"bearer": []}]
    assert {"200", "401", "403", "422"} <= set(operation["responses"])


def test_docs__swagger_ui__comes_from_this_service_under_a_strict_policy(world: _World) -> None:
    page = world.client.get("/docs")

    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "Bookwell notifier" in page.text
    assert world.client.get("/docs/start.js").status_code == 200


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Callable[..., FlaskClient]]:
    """Makes a client of a server that answers three times a minute."""
    with ExitStack() as opened:

        def make(**settings: Any) -> FlaskClient:
            configured = NotifierSettings(data_dir=tmp_path, rate_limit_per_minute=3, **settings)
            migrate(configured.database_url)
            database = Database.of_url(configured.database_url)
            opened.callback(database.engine.dispose)
            ring = KeyRing(tmp_path / "keys", retain=dt.timedelta(hours=1))
            verifier = TokenVerifier([TrustedIssuer(_ISSUER, "bookwell", ring)])
            return make_app(configured, database=database, verifier=verifier).test_client()

        yield make


def _statuses(client: FlaskClient, times: int, path: str, **options: Any) -> list[int]:
    return [client.get(path, **options).status_code for _ in range(times)]


def test_limits__a_caller__has_so_many_a_minute_and_others_their_own(
    tmp_path: Path, limited: Callable[..., FlaskClient]
) -> None:
    ring = KeyRing(tmp_path / "keys", retain=dt.timedelta(hours=1))
    signer = TokenSigner(ring, issuer=_ISSUER, audience="bookwell", lifetime=dt.timedelta(minutes=5))
    headers = [
        {"Authorization": f"Bearer {signer.sign(subject=who, session_id='s', roles=['staff'], now=clock.now())}"}
        for who in ("1", "2")
    ]
    with time_machine.travel(clock.now(), tick=False):
        client = limited()

        first = _statuses(client, 4, "/deliveries", headers=headers[0])
        refused = client.get("/deliveries", headers=headers[0])
        second = _statuses(client, 1, "/deliveries", headers=headers[1])

    assert (first, second) == ([200, 200, 200, 429], [200])
    _assert_problem(refused, 429, "http.too_many_requests")
    assert int(refused.headers["Retry-After"]) > 0


def test_limits__strangers__share_their_address_and_probes_are_not_counted(limited: Callable[..., FlaskClient]) -> None:
    guess = {"headers": {"Authorization": "Bearer guess"}, "environ_base": {"REMOTE_ADDR": "203.0.113.7"}}
    with time_machine.travel(clock.now(), tick=False):
        client = limited()

        statuses = _statuses(client, 4, "/deliveries", **guess)
        probes = _statuses(client, 9, "/health/live", **guess) + _statuses(client, 9, "/docs", **guess)

    assert statuses == [401, 401, 401, 429]
    assert set(probes) == {200}


def test_limits__loopback__is_not_counted_when_embedded(limited: Callable[..., FlaskClient]) -> None:
    with time_machine.travel(clock.now(), tick=False):
        assert set(_statuses(limited(), 9, "/messages")) == {200}


def test_limits__behind_a_proxy__the_address_is_what_the_proxy_saw(limited: Callable[..., FlaskClient]) -> None:
    with time_machine.travel(clock.now(), tick=False):
        client = limited(trusted_proxies=1)

        statuses = [
            client.get("/messages", headers={"X-Forwarded-For": f"203.0.113.{number // 4}"}).status_code
            for number in range(8)
        ]

    assert statuses == [200, 200, 200, 429] * 2


def test_endpoints__one_that_is_gone__is_shown_enabled_and_its_dead_letters_replayed(world: _World) -> None:
    gone = RememberingChannel([Verdict(AttemptOutcome.GONE, 410, "410 Gone"), _REFUSED])
    notifier = Notifier(world.settings, database=world.database, channels={"webhook": gone})
    payload = {"endpoint": "backoffice", "data": {}}
    envelopes = [
        an_envelope(version=version).model_copy(update={"queue": "webhook", "payload": payload}) for version in (1, 2)
    ]
    notifier.take_in(envelopes)
    notifier.deliver(envelopes)
    path = "/endpoints/backoffice"

    (shown,) = world.get("/endpoints", "staff").json
    refused = world.client.post(f"{path}/enable", headers=world.bearer("librarian"))
    still_gone = world.client.post(f"{path}/replay", headers=world.bearer("staff"))
    enabled = world.client.post(f"{path}/enable", headers=world.bearer("staff"))
    notifier.deliver_due(channel="webhook")
    replayed = world.client.post(f"{path}/replay", headers=world.bearer("admin"))
    notifier.deliver_due(channel="webhook")

    assert (shown["name"], shown["dead_letters"], bool(shown["disabled_at"])) == ("backoffice", 2, True)
    _assert_problem(refused, 403, "auth.role_forbidden")
    _assert_problem(still_gone, 409, "webhook.endpoint_disabled")
    assert (enabled.get_json(), replayed.get_json()) == ({"queued": 2}, {"queued": 1})
    assert world.get("/endpoints", "admin").json == []
    _assert_problem(world.get("/endpoints"), 401, "auth.required")


def _send_mails(world: _World, *addresses: str, subject: str = "Hello", html: str = "<p>Hello</p>") -> None:
    def render(*_args: Any, **_kwargs: Any) -> RenderedMessage:
        return RenderedMessage(subject, f"{subject} text", html, None)

    channel = MailChannel(FileTransport(world.settings.mail_folder), sender=world.settings.mail_from)
    notifier, _ = make_notifier(world.database, channel=channel, render=render)
    for address in addresses:
        envelope = an_envelope(email=address, aggregate=f"reservation:{address}")
        notifier.take_in([envelope])
        notifier.deliver([envelope])


def test_messages__those_that_were_sent__are_listed_newest_first_and_by_address(world: _World) -> None:
    _send_mails(world, "a@example.org", "b@example.org")
    _send_mails(world, "a@example.org", subject="Żółw")

    everything = world.get("/messages").json
    of_one = world.get("/messages?to=A@example.org").json

    assert [mail["to"] for mail in everything] == ["a@example.org", "b@example.org", "a@example.org"]
    assert [mail["subject"] for mail in of_one] == ["Żółw", "Hello"]
    assert world.get("/messages?to=nobody@example.org").json == []
    first = of_one[0]
    assert set(first) == {"id", "to", "subject", "text", "html", "headers", "attachments", "sent_at"}
    assert (first["text"].strip(), first["html"].strip()) == ("Żółw text", "<p>Hello</p>")
    assert first["headers"]["Message-ID"] == f"<{first['id']}@localhost>"
    assert abs(dt.datetime.fromisoformat(first["sent_at"]) - clock.now()) < dt.timedelta(minutes=1)


def test_pages__hostile_content__is_text_and_its_html_stays_in_a_sandbox(world: _World) -> None:
    hostile = "<script>alert(1)</script>"
    _send_mails(world, "a@example.org", subject=hostile, html=hostile)
    mail_id = world.get("/messages").json[0]["id"]

    pages = [world.get(path) for path in ("/", f"/mails/{mail_id}", "/?to=%22%3E%3Cscript%3E")]
    body = world.get(f"/mails/{mail_id}/html")

    for page in pages:
        assert page.status_code == 200
        assert "<script" not in page.text
        assert "unsafe" not in page.headers["Content-Security-Policy"]
        assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "&lt;script&gt;" in pages[1].text
    assert f'<iframe sandbox src="/mails/{mail_id}/html"' in pages[1].text
    assert body.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")
    assert "script" not in body.headers["Content-Security-Policy"]


def test_pages__no_such_mail__is_404(world: _World) -> None:
    for path in ("/mails/x", "/mails/..%2f..%2fetc", f"/mails/{'0' * 36}/html"):
        assert world.get(path).status_code == 404


def test_messages__in_production__are_not_there(world: _World) -> None:
    settings = world.settings.model_copy(update={"mode": "production"})
    client = make_app(settings, database=world.database).test_client()

    assert [client.get(path).status_code for path in ("/", "/messages")] == [404, 404]

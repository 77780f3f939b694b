"""The page of deliveries in Django's admin, in front of a notifier that the test plays."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from bookwell.kit import clock
from bookwell.library.accounts.models import User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.tokens import verifier
from bookwell.library.web import deliveries
from bookwell.notifier.api.schemas import DeliveryBody
from bookwell.notifier.deliveries.rules import DeliveryState
from tests.factories import ReaderFactory
from tests.people import Api

pytestmark = pytest.mark.django_db

PATH = "/admin/deliveries/"
DELIVERY = DeliveryBody(
    id="0198", event_id="0197", source="library", type="reservation.ready", aggregate="reservation:17",
    aggregate_version=3, recipient="<b>user:5</b>", channel="email", state=DeliveryState.FAILED,
    reason="550 no <script>alert(1)</script>", attempts=3, created_at=dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC),
    next_attempt_at=None, ended_at=dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC),
).model_dump(mode="json")  # fmt: skip


@dataclass
class Notifier:
    """Answers with what it is told to, and remembers what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = json.dumps({"items": [DELIVERY], "next": None, "previous": None}).encode()
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    traces: list[tuple[str | None, str | None]] = field(default_factory=list)
    pause: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.pause.set()


@pytest.fixture
def notifier(settings: Any) -> Iterator[Notifier]:
    told = Notifier()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(parse_qs(urlsplit(self.path).query))
            told.tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
            told.traces.append((self.headers["X-Request-ID"], self.headers["traceparent"]))
            told.pause.wait(10)
            with suppress(ConnectionError):  # whoever asked has given up
                self.send_response(told.status)
                self.end_headers()
                self.wfile.write(told.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    told.url = settings.NOTIFIER_URL = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _librarian() -> Client:
    return _client(ReaderFactory.create(role=Role.LIBRARIAN))


def test_deliveries__of_the_notifier__are_listed_and_escaped(notifier: Notifier) -> None:
    page = _librarian().get(PATH)

    text = page.content.decode()
    assert page.status_code == 200
    for word in (
        "reservation.ready",
        "reservation:17",
        "&lt;b&gt;user:5&lt;/b&gt;",
        "550 no &lt;script&gt;",
        "09:00:00",
    ):
        assert word in text, word
    assert "None" not in text
    assert notifier.asked == [{"limit": ["50"]}]


def test_deliveries__are_asked_for_with_a_short_token_that_the_library_refuses(notifier: Notifier) -> None:
    librarian = ReaderFactory.create(role=Role.LIBRARIAN)

    _client(librarian).get(PATH)

    [token] = notifier.tokens
    claims = verifier().verify(token, now=clock.now())
    assert (claims.subject, claims.roles) == (str(librarian.pk), ("librarian",))
    assert 0 < claims.expires_at - clock.now().timestamp() <= 60
    assert Api(token).get("/api/me/").status_code == 401


def test_deliveries__are_asked_for_under_the_ids_of_the_request(notifier: Notifier) -> None:
    page = _librarian().get(PATH)

    assert notifier.traces == [(page["X-Request-ID"], page["traceparent"])]


@pytest.mark.parametrize(("query", "asked"), [("?state=failed", {"state": ["failed"]}), ("?state=x%26y", {})])
def test_deliveries__by_state__are_narrowed_to_those_there_are(
    query: str, asked: dict[str, list[str]], notifier: Notifier
) -> None:
    _librarian().get(PATH + query)

    assert notifier.asked == [{"limit": ["50"]} | asked]


def test_deliveries__more_than_a_page__lead_on_and_back(notifier: Notifier) -> None:
    links = {"next": "/deliveries?state=failed&limit=50&cursor=abc%26d", "previous": "/deliveries?cursor=xyz"}
    notifier.body = json.dumps({"items": [DELIVERY], **links}).encode()

    text = _librarian().get(PATH + "?state=failed").content.decode()
    _librarian().get(PATH + "?state=failed&cursor=abc%26d")

    assert 'href="?state=failed&amp;cursor=abc%26d"' in text
    assert 'href="?state=failed&amp;cursor=xyz"' in text
    assert notifier.asked[1]["cursor"] == ["abc&d"]


def test_deliveries__there_are_none__says_so(notifier: Notifier) -> None:
    notifier.body = b'{"items": []}'

    assert "There are none." in _librarian().get(PATH).content.decode()


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b"{}"), (500, b"oops"), (200, b"no json"), (200, b"[]"), (200, b'{"items": 3}'), (200, b'{"items": ["x"]}')],
)
def test_deliveries__the_notifier_answers_badly__is_said(status: int, body: bytes, notifier: Notifier) -> None:
    notifier.status, notifier.body = status, body

    page = _librarian().get(PATH)

    assert (page.status_code, page.content.decode().count('role="alert"')) == (503, 1)


def test_deliveries__the_notifier_is_down__is_said(settings: Any) -> None:
    settings.NOTIFIER_URL = "http://127.0.0.1:9"

    page = _librarian().get(PATH)

    assert page.status_code == 503
    assert "The notifier does not answer." in page.content.decode()


def test_deliveries__the_notifier_never_answers__is_said_soon(
    notifier: Notifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "_PATIENCE_SECONDS", 0.2)
    notifier.pause.clear()

    page = _librarian().get(PATH)

    notifier.pause.set()
    assert (page.status_code, len(notifier.asked)) == (503, 1)


def test_deliveries__to_readers_and_nobody__are_not_shown(notifier: Notifier) -> None:
    statuses = [client.get(PATH).status_code for client in (Client(), _client(ReaderFactory.create()))]

    assert statuses == [302, 302]
    assert not notifier.asked


def test_admin__index__leads_to_the_deliveries() -> None:
    assert f'href="{PATH}"' in _librarian().get("/admin/").content.decode()

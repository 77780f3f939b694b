"""Programs of a production are told to stop while they work: no request and no message is lost by that."""

import datetime as dt
import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from bookwell.cli.healthy import is_healthy
from bookwell.contracts.partners import HoldRequest
from bookwell.kit import clock
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.ids import new_id
from bookwell.kit.key_ring import KeyRing
from bookwell.kit.tokens import TokenSigner
from tests.e2e.embedded import wait_until
from tests.infrastructure import running_servers
from tests.infrastructure.servers import free_port
from tests.messages.site import IMPATIENT
from tests.production import Production, production
from tests.rolling import Request, load, outcome_of, proxy

pytestmark = pytest.mark.timeout(3600 if os.environ.get("BOOKWELL_CHAOS") else 240)

_PASSWORD = "a-good-long-password-1"
_ENOUGH = 300 if os.environ.get("BOOKWELL_CHAOS") else 20
_ROUNDS = 10 if os.environ.get("BOOKWELL_CHAOS") else 1
_ISBNS = ("9780439023481", "9780439554930", "9780316015844", "9780061120084")
_JSON = {"Content-Type": "application/json"}
_CHANGES = {
    **IMPATIENT,
    "BOOKWELL_RATE_LIMIT_PER_MINUTE": "0",
    "BOOKWELL_LOG_DATABASE_LEVEL": "OFF",
    "BOOKWELL_DRAIN_SECONDS": "1",
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, redis_url: str, rabbitmq_url: str) -> Iterator[Production]:
    with running_servers(["mariadb", "postgresql"]) as servers:
        urls = {kind: server.url for kind, server in servers.items()} | {"redis": redis_url, "rabbitmq": rabbitmq_url}
        with production(tmp_path_factory.mktemp("stopping"), urls, _CHANGES) as site:
            site.prepare()
            yield site


@pytest.fixture
def site(prepared: Production) -> Iterator[Production]:
    yield prepared
    prepared.stop_programs()


def _sign_up(number: int, *, name: str) -> Request:
    body = {"username": f"{name}{number}", "password": _PASSWORD, "email": f"{name}{number}@example.org"}
    return "POST", "/api/register/", json.dumps(body).encode(), _JSON


def _ask_partners(number: int) -> Request:
    return "GET", f"/books/{_ISBNS[number % len(_ISBNS)]}/availability", None, {}


def _ask_for_health(number: int) -> Request:
    return "GET", f"/health?{number}", None, {}


def _ask_for_hold(site: Production) -> Request:
    """As the library asks."""
    ring = KeyRing(
        site.folder, configured=(site.folder / "secrets" / "library_keys").read_bytes(), retain=dt.timedelta(0)
    )
    signer = TokenSigner(ring, issuer=site.url("library"), audience="bookwell", lifetime=dt.timedelta(minutes=5))
    token = signer.sign(subject="library", session_id=new_id(), roles=["service"], now=clock.now())
    hold = HoldRequest(reference=new_id(), isbn=_ISBNS[0]).model_dump_json().encode()
    return "POST", "/partners/library%202/reservations", hold, {**_JSON, "Authorization": f"Bearer {token}"}


def _count(site: Production, service: str, statement: str) -> int:
    engine = engine_of(site.urls[f"BOOKWELL_{service}_DATABASE_URL"])
    with engine.connect() as connection:
        found = int(connection.execute(text(statement)).scalar_one())
    engine.dispose()
    return found


def test_library__told_to_stop_while_readers_sign_up__each_gets_an_answer_that_is_true(site: Production) -> None:
    site.start("library")
    port = site.ports["library"]

    with load(lambda: port if is_healthy(str(port)) else None, lambda n: _sign_up(n, name="stopped")) as calls:
        wait_until(lambda: calls.number >= _ENOUGH)
        status = site.tell("library", signal.SIGTERM)

    assert status == 0
    assert calls.answers == {"201": calls.number}
    assert _count(site, "LIBRARY", "SELECT COUNT(*) FROM account WHERE username LIKE 'stopped%'") == calls.number


@pytest.mark.parametrize(("service", "request_of"), [("partners", _ask_partners), ("notifier", _ask_for_health)])
def test_server__told_to_stop_under_load__answers_everybody(
    service: str, request_of: Callable[[int], Request], site: Production
) -> None:
    site.start(service, "simulators")
    port = site.ports[service]

    with load(lambda: port if is_healthy(str(port)) else None, request_of) as calls:
        wait_until(lambda: calls.number >= _ENOUGH)
        status = site.tell(service, signal.SIGTERM)

    assert status == 0
    assert calls.answers == {"200": calls.number}


def test_partners__told_to_stop_while_a_hold_is_placed__waits_for_the_partner_within_its_limit(
    site: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(site.changes, "BOOKWELL_DRAIN_SECONDS", "0")
    site.start("simulators", "library")
    site.call("simulators", "PUT", "/control/library-2", {"latency_ms": 2500, "only": "POST"})

    answered = _stopped_while_a_hold_is_placed(site)
    monkeypatch.setitem(site.changes, "BOOKWELL_STOP_SECONDS", "1")
    cut = _stopped_while_a_hold_is_placed(site)

    assert (answered, cut) == ("200", "RemoteDisconnected")


def test_tables__told_to_stop_while_guests_order__each_gets_an_answer_that_is_true(site: Production) -> None:
    site.start("tables")
    port, table = site.ports["tables"], _floor(site)
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)  # noqa: TID251 -- a production lives in the present

    def order(number: int) -> Request:
        body = {"id": table, "starts_at": f"{tomorrow}T18:00", "party_size": 2, "email": f"guest{number}@example.org"}
        return "POST", "/api/customer/book_table/", json.dumps(body).encode(), _JSON

    with load(lambda: port if is_healthy(str(port)) else None, order) as calls:
        wait_until(lambda: calls.number >= _ENOUGH)
        status = site.tell("tables", signal.SIGTERM)

    assert status == 0
    assert calls.answers == {"201": calls.number}
    assert _count(site, "TABLES", "SELECT COUNT(*) FROM booking") == calls.number


def test_rolling_restart__two_libraries_behind_a_proxy__no_request_fails(site: Production) -> None:
    ports = [site.ports["library"], free_port()]
    for number, port in enumerate(ports):
        site.start("library", name=f"library-{number}", port=port)

    with proxy(ports) as before, load(lambda: before.port, lambda n: _sign_up(n, name="rolling"), callers=2) as calls:
        for turn in range(2 * _ROUNDS):
            name, port = f"library-{turn % 2}", ports[turn % 2]
            seen = calls.number
            wait_until(lambda seen=seen: calls.number > seen + 5)  # type: ignore[misc]  # its default is bound now
            assert site.tell(name, signal.SIGTERM) == 0
            site.start("library", name=name, port=port)
            wait_until(lambda: len(before.ready) == 2)

    assert calls.answers == {"201": calls.number}
    assert _count(site, "LIBRARY", "SELECT COUNT(*) FROM account WHERE username LIKE 'rolling%'") == calls.number


def test_relay_and_worker__told_to_stop_while_they_work__every_mail_goes_out_once(site: Production) -> None:
    site.start("library", "relay", "worker-notifier", "scheduler")  # which calls for what a stopped worker left
    port, sent = site.ports["library"], _Mails(site)

    with load(lambda: port, lambda n: _sign_up(n, name="told"), callers=2) as calls:
        for _ in range(_ROUNDS):
            for program in ("relay", "worker-notifier"):
                seen = sent.number
                wait_until(lambda seen=seen: sent.number > seen + 3)  # type: ignore[misc]  # its default is bound now
                assert site.tell(program, signal.SIGTERM) == 0
                site.start(program, wait=False)
    wait_until(lambda: sent.number >= calls.number, seconds=120)

    assert calls.answers == {"201": calls.number}
    assert sent.addresses == {f"told{number}@example.org": 1 for number in range(calls.number)}


def _stopped_while_a_hold_is_placed(site: Production) -> str:
    """What the caller got."""
    site.start("partners")
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(outcome_of, site.ports["partners"], _ask_for_hold(site))
        wait_until(lambda: site.call("simulators", "GET", "/control/library-2")["requests"]["in_flight"] == 1)
        assert site.tell("partners", signal.SIGTERM) == 0
        return answer.result()


class _Mails:
    """Those to readers who signed up while programs came and went."""

    def __init__(self, site: Production) -> None:
        self._site = site

    @property
    def addresses(self) -> Counter[str]:
        """How many each got."""
        return Counter(mail.to for mail in self._site.sink.mails() if mail.to.startswith("told"))

    @property
    def number(self) -> int:
        """All of them."""
        return self.addresses.total()


def _floor(site: Production) -> int:
    """A table of a restaurant that takes any number of orders; its id."""
    site.run("tables", "create-user", "boss", "--role", "admin", BOOKWELL_USER_PASSWORD=_PASSWORD)
    login = {"username": "boss", "password": _PASSWORD}
    token = site.call("tables", "POST", "/api/token/", login)["access"]
    house = site.call("tables", "GET", "/api/admin/settings/", token=token)
    site.call("tables", "PUT", "/api/admin/settings/", {**house, "open_orders_per_address": 0}, token=token)
    table = {"name": "Window", "table_type": "regular", "seats": 4, "price": 10}
    return int(site.call("tables", "POST", "/api/admin/add_table/", table, token=token)["id"])

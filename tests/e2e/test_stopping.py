"""Programs of a production are told to stop while they work: no request and no message is lost by that."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bookwell.cli.healthy import is_healthy
from bookwell.contracts.partners import HoldRequest
from bookwell.kit import clock
from bookwell.kit.adapters.celery import make_app
from bookwell.kit.adapters.celery.app import RUN_JOB
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import writing
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
_LATE = "SELECT COUNT(*) FROM booking WHERE email LIKE 'late%'"
_SIMULATED = Path(__file__).parents[2] / "src/bookwell/simulators/books.csv"
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


def _order(table: int, email: str) -> Request:
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)  # noqa: TID251 -- a production lives in the present
    body = {"id": table, "starts_at": f"{tomorrow}T18:00", "party_size": 2, "email": email}
    return "POST", "/api/customer/book_table/", json.dumps(body).encode(), _JSON


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
    site.call("simulators", "PUT", "/control/library-2", {"latency_ms": 10_000, "only": "POST"})
    monkeypatch.setitem(site.changes, "BOOKWELL_STOP_SECONDS", "1")
    cut = _stopped_while_a_hold_is_placed(site)

    assert (answered, cut) == ("200", "RemoteDisconnected")


def test_tables__told_to_stop_while_guests_order__each_gets_an_answer_that_is_true(site: Production) -> None:
    site.start("tables")
    port, table = site.ports["tables"], _floor(site)

    with load(
        lambda: port if is_healthy(str(port)) else None, lambda n: _order(table, f"guest{n}@example.org")
    ) as calls:
        wait_until(lambda: calls.number >= _ENOUGH)
        status = site.tell("tables", signal.SIGTERM)

    assert status == 0
    assert calls.answers == {"201": calls.number}
    assert _count(site, "TABLES", "SELECT COUNT(*) FROM booking WHERE email LIKE 'guest%'") == calls.number


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


def test_worker_library__told_to_stop_while_it_places_holds__each_is_placed_once(site: Production) -> None:
    site.start("simulators", "library", "partners", "relay", "worker-library")
    reader = _Reader.settle(site)
    site.call("simulators", "PUT", "/control/library-2", {"latency_ms": 150, "only": "POST"})

    reader.reserve_everything()
    for number in range(_ROUNDS):
        wait_until(lambda number=number: len(reader.holds()) > number)  # type: ignore[misc]  # its default is bound now
        assert site.tell("worker-library", signal.SIGTERM) == 0
        site.start("worker-library")
    wait_until(lambda: reader.states().keys() == {"accepted"})

    assert reader.states() == {"accepted": len(reader.books)}
    assert len(reader.holds()) == len(reader.books) == _ENOUGH


def test_worker_tables__told_to_stop_while_it_ends_orders__each_guest_is_told_once(site: Production) -> None:
    site.start("tables", "worker-tables")
    guests, table = _ENOUGH, _floor(site)
    answers = [outcome_of(site.ports["tables"], _order(table, f"late{n}@example.org")) for n in range(guests)]

    _let_deadlines_pass(site)
    _call(site, "tables.expire", queue="tables")
    wait_until(lambda: _count(site, "TABLES", f"{_LATE} AND state = 'expired'") > 0)
    site.programs["worker-tables"].process.send_signal(signal.SIGTERM)
    answers.append(outcome_of(site.ports["tables"], _order(table, "late-as-well@example.org")))
    assert site.end("worker-tables") == 0
    _let_deadlines_pass(site)
    _call(site, "tables.expire", queue="tables")  # while nobody is there
    site.start("worker-tables")
    wait_until(lambda: not _count(site, "TABLES", f"{_LATE} AND state = 'requested'"))

    told = "SELECT COUNT({}) FROM outbox WHERE type = 'booking.expired' AND queue = 'mail'"
    assert set(answers) == {"201"}
    assert [_count(site, "TABLES", told.format(what)) for what in ("*", "DISTINCT aggregate")] == [guests + 1] * 2


@dataclass(frozen=True, slots=True)
class _Reader:
    """Somebody who reserves books at a partner library that has them all; it lends each title to us once at a time."""

    site: Production
    token: str
    books: list[int]

    @classmethod
    def settle(cls, site: Production) -> "_Reader":
        """Books that the simulators know, and who may have them all."""
        known = [line.partition(",")[0] for line in _SIMULATED.read_text().splitlines()[1:]]
        isbns = [isbn for isbn in known if isbn not in _ISBNS][:_ENOUGH]  # of the others something is remembered
        rows = [f'{isbn},"Title {isbn}",Somebody' for isbn in isbns]
        (site.folder / "books.csv").write_text("\n".join(["isbn13,title,authors", *rows]))
        site.run("import", str(site.folder / "books.csv"))
        environment = site.environment("library") | {"DJANGO_SETTINGS_MODULE": "bookwell.library.config.settings"}
        command = [sys.executable, "-m", "tests.e2e.newcomers", "1", str(_ENOUGH), "0", "0"]
        made = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)  # noqa: S603 -- our own
        for isbn in isbns:
            site.call("simulators", "PUT", f"/control/library-2/stock/{isbn}", {"free": 1})
        books = site.call("library", "GET", "/api/books/?limit=100")["items"]
        return cls(site, json.loads(made.stdout)["tokens"][0], [book["id"] for book in books if book["isbn"] in isbns])

    def reserve_everything(self) -> None:
        """Every book."""
        for book in self.books:
            wanted = {"book_id": book, "library": "library 2"}
            self.site.call("library", "POST", "/api/reservations/", wanted, token=self.token)

    def states(self) -> Counter[str]:
        """How the reservations stand."""
        listed = self.site.call("library", "GET", "/api/reservations/?limit=100", token=self.token)["items"]
        return Counter(each["state"] for each in listed)

    def holds(self) -> list[dict[str, Any]]:
        """What the partner has; a hold that was placed twice is there twice."""
        found: list[dict[str, Any]] = self.site.call("simulators", "GET", "/control/library-2/holds")["holds"]
        return found


def _call(site: Production, job: str, *, queue: str) -> None:
    """As the scheduler does."""
    with make_app(site.urls["BOOKWELL_BROKER_URL"]) as app:
        app.send_task(RUN_JOB, args=(job,), queue=queue)


def _let_deadlines_pass(site: Production) -> None:
    """Of the orders that wait."""
    engine = engine_of(site.urls["BOOKWELL_TABLES_DATABASE_URL"])
    with writing(engine) as connection:
        connection.execute(text("UPDATE booking SET decide_by = 1 WHERE email LIKE 'late%' AND state = 'requested'"))
    engine.dispose()


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
    name = f"boss-{new_id()[-12:]}"
    site.run("tables", "create-user", name, "--role", "admin", BOOKWELL_USER_PASSWORD=_PASSWORD)
    login = {"username": name, "password": _PASSWORD}
    token = site.call("tables", "POST", "/api/token/", login)["access"]
    house = site.call("tables", "GET", "/api/admin/settings/", token=token)
    site.call("tables", "PUT", "/api/admin/settings/", {**house, "open_orders_per_address": 0}, token=token)
    table = {"name": name, "table_type": "regular", "seats": 4, "price": 10}
    return int(site.call("tables", "POST", "/api/admin/add_table/", table, token=token)["id"])

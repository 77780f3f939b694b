"""Partner libraries on a demo, with simulators that hang, talk nonsense or are away, and a service that is killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.embedded import Up, command_line, descendants, is_alive, run_up, wait_until

pytestmark = pytest.mark.timeout(300)

_PASSWORD = "one-for-all"
_NAMES = ("library 2", "library 3", "library 4")
_GATEWAY, _WORKER, _PLACING = "serve\0partners", "bookwell.cli.background", "POST api/v1/holds"
_HANGING_SECONDS = 60
"""Far above the budget of two seconds: whoever waits for it gets an answer."""
_PATIENCE = 240  # asked twice a second: a start takes long on a busy machine
_HASTE = {"BOOKWELL_PARTNERS_HOLD_MS": "3000", "BOOKWELL_OUTBOX_GAP_SECONDS": "2"}
"""A worker that was killed leaves its claim for 18 seconds; errands come again after pauses of 2, 4, 8 seconds."""
_MOST_QUESTIONS = 200
_NO_CONNECTION_KEPT = httpx2.Limits(max_keepalive_connections=0)
"""Whoever answers may be killed before the next question."""


class Demo:
    """A running demo with its people and its partner libraries."""

    def __init__(self, up: Up, http: httpx2.Client) -> None:
        self.up = up
        self.http = http
        self.addresses: dict[str, str] = json.loads((up.folder / "demo.json").read_text())
        self._tokens: dict[str, str] = {}

    def token_of(self, username: str) -> str:
        """An access token of a demo user; logging in for each of many questions would be most of what this costs."""
        if username not in self._tokens:
            login = {"username": username, "password": _PASSWORD}
            answer = self.http.post(f"{self.addresses['library_url']}/api/login/", json=login)
            self._tokens[username] = answer.json()["access"]
        return self._tokens[username]

    def call(self, username: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The body of a good answer."""
        headers = {"Authorization": f"Bearer {self.token_of(username)}"}
        answer = self.http.request(method, self.addresses["library_url"] + path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the simulators answer to whoever sets their moods."""
        url = f"{self.addresses['simulators_url']}/control/{path}"
        answer = self.http.request(method, url, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def all_holds(self, name: str) -> list[dict[str, Any]]:
        """A partner's own list of holds, over or not."""
        holds: list[dict[str, Any]] = self.control("GET", f"{name}/holds")["holds"]
        return holds

    def holds(self, name: str) -> list[dict[str, Any]]:
        """Those that are not over."""
        return [hold for hold in self.all_holds(name) if hold["status"] not in ("cancelled", "refused")]

    def holds_ever(self, book: dict[str, Any], name: str) -> int:
        """How many of them all were for a book."""
        return sum(hold["isbn"] == book["isbn"] for hold in self.all_holds(name))

    def holds_of(self, book: dict[str, Any], name: str) -> int:
        """How many of them are for a book."""
        return sum(hold["isbn"] == book["isbn"] for hold in self.holds(name))

    def subjects(self, username: str) -> list[str]:
        """Of the mails to a demo user, newest first."""
        address = {"to": f"{username}@bookwell.example"}
        return [
            mail["subject"] for mail in self.http.get(f"{self.addresses['mail_url']}/messages", params=address).json()
        ]

    def reserve(self, username: str, book: dict[str, Any], library: str) -> int:
        """Place a reservation at a partner: its id."""
        placed = self.call(username, "POST", "/api/reservations/", {"book_id": book["id"], "library": library})
        assert (placed["state"], placed["partner"]) == ("requested", library)
        return int(placed["id"])

    def pid_of(self, command: str) -> int:
        """The process that the supervisor runs with these arguments, once it runs it (again)."""
        found: list[int] = []

        def is_found() -> bool:
            found.extend(pid for pid in self.up.descendants() if command in command_line(pid))
            return bool(found)

        wait_until(is_found)
        return found[0]

    def kill(self, command: str) -> None:
        """`kill -9` of such a process, which is gone then with all below it; the supervisor starts it again."""
        pid = self.pid_of(command)
        gone = [pid, *descendants(pid)]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(each) for each in gone))

    @contextmanager
    def unattended(self) -> Iterator[None]:
        """The supervisor stands still meanwhile: who is killed stays away."""
        self.up.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.up.process.send_signal(signal.SIGCONT)

    @contextmanager
    def stopped(self, command: str) -> Iterator[None]:
        """Such a process, and what is below it, stands still meanwhile; it may be killed."""
        pid = self.pid_of(command)
        pids = [pid, *descendants(pid)]
        for each in pids:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in pids:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

    @contextmanager
    def locked_library(self) -> Iterator[None]:
        """Nobody can commit to the library's database meanwhile."""
        with closing(sqlite3.connect(self.up.folder / "library.sqlite3", isolation_level=None, timeout=30)) as database:
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")

    def is_asked_for(self, reservation_id: int) -> bool:
        """Whether a worker talks, or talked when it was killed, with the partner about a reservation."""
        return self._look_up("asking_until IS NOT NULL", reservation_id)

    def was_asked_for_in_vain(self, reservation_id: int) -> bool:
        """Whether a worker talked with the partner about a reservation, and got no word on it."""
        return self._look_up("asked_at IS NOT NULL AND answered_at IS NULL AND asking_until IS NULL", reservation_id)

    def _look_up(self, fact: str, reservation_id: int) -> bool:
        uri = f"{(self.up.folder / 'library.sqlite3').as_uri()}?mode=ro"
        question = f"SELECT {fact} FROM partner_hold WHERE reservation_id = ?"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as database:
            return bool(database.execute(question, (reservation_id,)).fetchone()[0])

    def token_of_new_client(self) -> str:
        """A program that may reserve is let in, as an operator does it, and gets its token."""
        command = [sys.executable, "-m", "bookwell.cli.main", "clients", "add", "far", "--scope", "reservations:write"]
        environment = os.environ | {"BOOKWELL_DATA_DIR": str(self.up.folder)}
        made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
        client_id, secret = (line.split()[1] for line in made.stdout.splitlines())
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        answer = self.http.post(f"{self.addresses['library_url']}/identity/o/api/token", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def is_up(self) -> bool:
        """Whether the library answers."""
        try:
            return self.http.get(f"{self.addresses['library_url']}/health/live").status_code == 200
        except httpx2.HTTPError:
            return False

    def state_of(self, reservation_id: int) -> str:
        """As the librarian sees it."""
        return str(self.call("librarian", "GET", f"/api/reservations/{reservation_id}/")["state"])

    def wait_until_accepted(self, reservation_id: int, *, seconds: float = 120) -> None:
        """Look rarely enough for the rate limit."""
        deadline = time.monotonic() + seconds
        while (state := self.state_of(reservation_id)) != "accepted":
            assert (state, time.monotonic() < deadline) == ("requested", True)
            time.sleep(0.25)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder: Path = tmp_path_factory.mktemp("partners")
    with run_up(folder, "--demo", "--only", "library,partners", password=_PASSWORD, variables=_HASTE) as up:
        wait_until(lambda: "Bookwell is ready" in up.text or up.process.poll() is not None, seconds=120)
        assert "Bookwell is ready" in up.text, up.text
        with httpx2.Client(timeout=30, trust_env=False, limits=_NO_CONNECTION_KEPT) as http:
            yield Demo(up, http)


@pytest.fixture
def demo(started: Demo) -> Iterator[Demo]:
    yield started
    for name in _NAMES:
        started.control("DELETE", name)


def _book(demo: Demo, number: int) -> dict[str, Any]:
    """A book with an ISBN of which every partner has a free copy."""
    found = demo.call("reader", "GET", "/api/books/?q=the&limit=50")["items"]
    book: dict[str, Any] = [item for item in found if item["isbn"]][number]
    for name in _NAMES:
        demo.control("PUT", f"{name}/stock/{book['isbn']}", {"free": 1})
    return book


def test_availability__one_hangs_and_one_talks_nonsense__the_others_are_told_in_time(demo: Demo) -> None:
    book = _book(demo, 0)
    demo.control("PUT", "library 2", {"latency_ms": _HANGING_SECONDS * 1000})
    demo.control("PUT", "library 4", {"malformed": "html"})

    answer = demo.http.get(f"{demo.addresses['partners_url']}/status/{book['id']}")

    assert answer.json()["availability"] == {"library 2": None, "library 3": True, "library 4": None}
    told = demo.call("reader", "GET", f"/api/books/{book['id']}/availability/")["partners"]
    assert {partner["name"]: partner["state"] for partner in told} == {
        "library 2": "unknown",
        "library 3": "available",
        "library 4": "unknown",
    }


def test_reserve__at_a_partner__is_accepted_within_seconds_and_the_reader_is_told(demo: Demo) -> None:
    book = _book(demo, 1)

    reservation = demo.reserve("reader", book, "library 3")

    demo.wait_until_accepted(reservation)
    wait_until(lambda: sum(book["title"] in subject for subject in demo.subjects("reader")) == 2)
    assert len(demo.holds("library 3")) == 1


def test_reserve__partners_are_away_and_the_service_is_killed__one_hold_in_the_end(demo: Demo) -> None:
    book = _book(demo, 2)
    # It asks where the copy shall be picked up, and goes silent when it has noted the hold.
    demo.control("PUT", "library 4", {"outage": "lost_answers", "only": "request", "after": 1})

    reservation = demo.reserve("josh", book, "library 4")
    wait_until(lambda: bool(demo.holds("library 4")), seconds=60)
    demo.kill(_GATEWAY)
    assert demo.state_of(reservation) == "requested"
    demo.control("PUT", "library 4", {})  # DELETE would forget its holds

    demo.wait_until_accepted(reservation)
    assert len(demo.holds("library 4")) == 1


def test_reserve__worker_is_killed_before_during_and_after_its_call__one_hold_each(demo: Demo) -> None:
    # This partner takes a second hold of one title.
    before, during, after = (_book(demo, number) for number in (6, 7, 8))

    with demo.stopped(_GATEWAY):
        first = demo.reserve("reader", before, "library 3")
        wait_until(lambda: demo.is_asked_for(first))
        demo.kill(_WORKER)

    demo.control("PUT", "library 3", {"outage": "lost_answers", "only": _PLACING})
    second = demo.reserve("reader", during, "library 3")
    wait_until(lambda: demo.holds_of(during, "library 3") == 1)
    demo.kill(_WORKER)

    demo.control("PUT", "library 3", {"latency_ms": 1000, "only": _PLACING})
    third = demo.reserve("reader", after, "library 3")
    wait_until(lambda: demo.is_asked_for(third))
    with demo.locked_library():
        wait_until(lambda: demo.holds_of(after, "library 3") == 1)
        time.sleep(0.3)  # the answer is on its way to the worker, which cannot write it down
        demo.kill(_WORKER)
    demo.control("PUT", "library 3", {})

    for reservation, book in ((first, before), (second, during), (third, after)):
        demo.wait_until_accepted(reservation)
        assert demo.holds_ever(book, "library 3") == 1


def test_reserve__partners_service_is_killed_before_its_call__one_hold(demo: Demo) -> None:
    book = _book(demo, 9)

    with demo.stopped(_GATEWAY):
        reservation = demo.reserve("josh", book, "library 3")
        wait_until(lambda: demo.is_asked_for(reservation))
        demo.kill(_GATEWAY)

    demo.wait_until_accepted(reservation)
    assert demo.holds_ever(book, "library 3") == 1


def test_cancel__at_a_partner_that_knows_holds_by_their_edition__frees_the_book_for_the_next(demo: Demo) -> None:
    book = _book(demo, 10)
    reservation = demo.reserve("reader", book, "library 2")
    demo.wait_until_accepted(reservation)

    demo.call("reader", "DELETE", f"/api/reservations/{reservation}/")
    again = demo.reserve("reader", book, "library 2")

    demo.wait_until_accepted(again)
    statuses = [hold["status"] for hold in demo.all_holds("library 2") if hold["isbn"] == book["isbn"]]
    assert statuses == ["cancelled", "accepted"]


def test_reserve__all_partners_are_down__is_told_in_time_and_goes_through_when_they_are_back(demo: Demo) -> None:
    book = _book(demo, 5)
    page = f"/api/books/{book['id']}/availability/"
    before = demo.call("mike", "GET", page)["partners"]
    for name in _NAMES:
        demo.control("PUT", name, {"outage": "refuse"})

    reservation = demo.reserve("mike", book, "library 3")
    told = demo.call("mike", "GET", page)["partners"]

    assert [(one["state"], one["fetched_at"], one["from_cache"]) for one in told] == [
        (one["state"], one["fetched_at"], True) for one in before
    ]
    wait_until(lambda: demo.was_asked_for_in_vain(reservation))
    assert (demo.state_of(reservation), demo.holds_of(book, "library 3")) == ("requested", 0)
    for name in _NAMES:
        demo.control("PUT", name, {})
    demo.wait_until_accepted(reservation)
    assert demo.holds_of(book, "library 3") == 1


def test_machine_client__reserves_for_a_card_while_the_library_dies__one_reservation(demo: Demo) -> None:
    book = _book(demo, 3)
    card = demo.call("mike", "GET", "/api/me/")["card_number"]
    bearer = demo.token_of_new_client()
    body = {"isbn": book["isbn"], "reader": card, "external_ref": "far-1"}
    headers = {"Authorization": f"Bearer {bearer}", "Idempotency-Key": "e2e-far-1"}

    def ask() -> httpx2.Response:
        return demo.http.post(f"{demo.addresses['partners_url']}/reserve", json=body, headers=headers)

    with demo.unattended():
        demo.kill("serve\0library")
        answers = [ask()]
    while answers[-1].status_code == 503 and len(answers) < _PATIENCE:
        assert answers[-1].headers["Retry-After"]
        time.sleep(0.5)
        answers.append(ask())
    again = ask()

    assert answers[0].status_code == 503
    assert (answers[-1].status_code, again.status_code) == (201, 201)
    assert again.json() == answers[-1].json()
    mine = demo.call("mike", "GET", f"/api/reservations/?book={book['id']}")["items"]
    assert [item["id"] for item in mine] == [again.json()["id"]]


def test_reader__repeats_one_key_while_the_library_is_killed_again_and_again__one_reservation(demo: Demo) -> None:
    book = _book(demo, 4)
    headers = {"Authorization": f"Bearer {demo.token_of('customer')}", "Idempotency-Key": "e2e-again"}
    url, body = f"{demo.addresses['partners_url']}/reserve", {"book_id": book["id"]}
    is_over = False

    def ask_on() -> list[httpx2.Response]:
        answers = []
        for number in count():
            answers.append(demo.http.post(url, json=body, headers=headers))
            if (is_over and answers[-1].status_code == 201) or number > _MOST_QUESTIONS:
                break
            time.sleep(0.2)  # fewer than the rate limit allows
        return answers

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask_on) for _ in range(3)]
        for _ in range(3):
            demo.kill("serve\0library")
            wait_until(demo.is_up, seconds=60)
        is_over = True
        answers = [answer for future in asking for answer in future.result()]

    assert {answer.status_code for answer in answers} <= {201, 409, 503}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency.in_flight"}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert any(answer.status_code == 503 for answer in answers)
    mine = demo.call("customer", "GET", f"/api/reservations/?book={book['id']}")["items"]
    assert len(mine) == 1

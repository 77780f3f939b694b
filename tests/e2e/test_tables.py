"""Tables on `bookwell up`: an order from search to cancellation by mails and pages, alone and beside the library."""

import datetime as dt
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest

from tests.e2e.embedded import Up, is_alive, run_up, wait_until

pytestmark = pytest.mark.timeout(240)

_PASSWORD = "one-for-all"
_LINK = re.compile(r"https?://\S+/api/customer/cancel_booking/\?id=\S+")
_DAY = dt.timedelta(days=1)


class Restaurant:
    """A running restaurant, as guests, staff and whoever reads the mails see it."""

    def __init__(self, up: Up) -> None:
        self.addresses: dict[str, Any] = json.loads((up.folder / "demo.json").read_text())

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "", **params: Any) -> httpx2.Response:
        """What it answers."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.addresses['tables_url']}{path}"
        return httpx2.request(method, url, json=body, params=params, headers=headers, timeout=20, trust_env=False)

    def token_of(self, username: str, *, issuer: str = "tables_url", path: str = "/api/token/") -> str:
        """An access token that a service issues."""
        login = {"username": username, "password": _PASSWORD}
        answer = httpx2.post(f"{self.addresses[issuer]}{path}", json=login, timeout=20, trust_env=False)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access"])

    def order(self, email: str, *, starts_at: str, **wish: Any) -> dict[str, Any]:
        """Order the smallest free table for four that meets the wish."""
        free = self.ask("GET", "/api/customer/view_tables/", seats=4, starts_at=starts_at, **wish).json()
        body = {"id": free[0]["id"], "starts_at": starts_at, "party_size": 4, "name": "Ada", "email": email}
        answer = self.ask("POST", "/api/customer/book_table/", body)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        return placed

    def wait_for_mails(self, address: str, number: int) -> list[dict[str, Any]]:
        """So many mails, first to last."""
        wait_until(lambda: len(self._mails(address)) >= number)
        return self._mails(address)[::-1]

    def back_office_says(self, booking_id: int) -> str:
        """The part of its page that is about a booking; empty before it has heard of it."""
        page = httpx2.get(self.addresses["backoffice_url"], timeout=20, trust_env=False).text
        found = re.search(rf'<article aria-labelledby="order-{booking_id}">.*?</article>', page)
        return found[0] if found else ""

    def press_in_back_office(self, booking_id: int, button: str) -> httpx2.Response:
        """Press a button of the employee's form, as a browser does; the page that comes after it."""
        wait_until(lambda: bool(self.back_office_says(booking_id)))
        found = re.search(rf'<button formaction="([^"]+)"[^>]*>{button}</button>', self.back_office_says(booking_id))
        assert found is not None
        url = urljoin(self.addresses["backoffice_url"], found[1])
        with _browser() as browser:
            return browser.post(url, data={"reason": "A fine choice"}, follow_redirects=True)

    def _mails(self, address: str) -> list[dict[str, Any]]:
        url, to = f"{self.addresses['mail_url']}/messages", {"to": address}
        found: list[dict[str, Any]] = httpx2.get(url, params=to, timeout=20, trust_env=False).json()
        return found


def _new_client(up: Up, name: str) -> tuple[str, str]:
    """What `bookwell tables clients add` prints."""
    command = [sys.executable, "-m", "bookwell.cli.main", "tables", "clients", "add", name, "--scope", "bookings:read"]
    done = subprocess.run(  # noqa: S603 -- our own program
        command, env={"BOOKWELL_DATA_DIR": str(up.folder)}, capture_output=True, text=True, check=True, timeout=60
    )
    words = done.stdout.split()
    return words[1], words[3]


def _evening(days: int = 1) -> str:
    """Six o'clock of a day to come, by the restaurant's clocks."""
    today = dt.datetime.now(dt.UTC).date()  # noqa: TID251 -- the demo lives in the present
    return f"{today + days * _DAY}T18:00"


def _browser() -> httpx2.Client:
    """Somebody who would rather have pages than JSON."""
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    return httpx2.Client(headers=headers, timeout=20, trust_env=False)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Tables alone, on a machine that has no Django."""
    folder: Path = tmp_path_factory.mktemp("tables")
    without = folder / "without" / "django"
    without.mkdir(parents=True)
    (without / "__init__.py").write_text("raise ImportError('there is no Django here')\n")
    without_django = {"PYTHONPATH": str(without.parent)}
    with run_up(folder, "--demo", "--only", "tables", password=_PASSWORD, variables=without_django) as up:
        up.wait_until_ready()
        yield up


@pytest.fixture
def restaurant(alone: Up) -> Restaurant:
    return Restaurant(alone)


def test_tables_alone__order_accept_cancel__each_step_reaches_the_guest(restaurant: Restaurant) -> None:
    guest, starts_at = "ada@example.org", _evening()
    order = restaurant.order(guest, starts_at=starts_at)
    (received,) = restaurant.wait_for_mails(guest, 1)
    staff = restaurant.token_of("staff")

    accepted = restaurant.ask("POST", "/api/admin/accept_booking/", {"id": order["id"]}, token=staff)
    confirmed = restaurant.wait_for_mails(guest, 2)[1]
    link = _LINK.search(received["text"])
    assert link is not None
    looked = httpx2.get(link[0], timeout=20, trust_env=False)
    cancelled = httpx2.post(link[0], headers={"Accept": "application/json"}, timeout=20, trust_env=False)
    told = restaurant.wait_for_mails(guest, 3)[2]

    assert order["state"] == "requested"
    assert "confirmed" not in received["text"].lower()
    assert accepted.status_code == 200, accepted.text
    assert [part["content_type"].split(";")[0] for part in confirmed["attachments"]] == ["text/calendar"]
    assert looked.status_code == 200
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled"), cancelled.text
    assert len({mail["subject"] for mail in (received, confirmed, told)}) == 3


def test_tables_alone__the_back_office_confirms__and_only_the_guests_button_cancels(restaurant: Restaurant) -> None:
    guest = "jan@example.org"
    order = restaurant.order(guest, starts_at=_evening(2), table_type="cabin", price_min=20, price_max=30)

    page = restaurant.press_in_back_office(order["id"], "Confirm")
    received, confirmed = restaurant.wait_for_mails(guest, 2)
    link = _LINK.search(received["text"])
    assert link is not None
    with _browser() as browser:
        looked = [browser.request(method, link[0]) for method in ("GET", "HEAD", "GET")]
        before = restaurant.back_office_says(order["id"])
        pressed = browser.post(link[0], data={})
    told = restaurant.wait_for_mails(guest, 3)[2]

    wait_until(lambda: "<dd>cancelled</dd>" in restaurant.back_office_says(order["id"]))
    assert (page.status_code, order["table_type"], order["price"]) == (200, "cabin", 25)
    assert [answer.status_code for answer in (*looked, pressed)] == [200] * 4
    assert looked[0].text == looked[2].text
    assert "<button" in looked[0].text
    assert "<button" not in pressed.text
    assert "<dd>confirmed</dd>" in before
    calendars = [part["content"] for mail in (received, confirmed, told) for part in mail["attachments"]]
    assert [re.findall("METHOD:(.*)", calendar) for calendar in calendars] == [["REQUEST"], ["CANCEL"]]


def test_tables_alone__administration__is_for_staff(restaurant: Restaurant) -> None:
    asked = ("GET", "/api/admin/view_active_bookings/")

    answers = [restaurant.ask(*asked, token=token) for token in ("", restaurant.token_of("reader"))]

    assert [answer.status_code for answer in answers] == [401, 403]


def test_tables_alone__a_program_of_its_own__polls_the_feed(restaurant: Restaurant, alone: Up) -> None:
    order = restaurant.order("polled@example.org", starts_at=_evening(4))
    client_id, secret = _new_client(alone, "Till")
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    url = f"{restaurant.addresses['tables_url']}/identity/o/api/token"
    issued = httpx2.post(url, data=form, timeout=20, trust_env=False).json()

    events: list[Any] = []
    cursor = ""
    while len(events) < 100:
        page = restaurant.ask("GET", "/api/backoffice/orders", token=issued["access_token"], after=cursor).json()
        events, cursor = events + page["items"], page["next"]
        if not page["items"]:
            break

    assert issued["scope"] == "bookings:read"
    assert (events[-1]["type"], events[-1]["data"]["booking_id"]) == ("booking.requested", order["id"])


def test_tables_alone__demo_file__names_what_runs(restaurant: Restaurant) -> None:
    addresses = restaurant.addresses

    assert {name for name, url in addresses.items() if url is None} == {"library_url", "partners_url"}
    assert {user["password"] for user in addresses["users"]} == {_PASSWORD}


def test_tables__beside_the_library__take_its_tokens_and_time_goes_on_where_it_stopped(tmp_path: Path) -> None:
    guest = "late@example.org"
    with run_up(tmp_path, "--demo", "--only", "library,tables", password=_PASSWORD) as up:
        up.wait_until_ready()
        today = Restaurant(up)
        today.order(guest, starts_at=_evening(3))
        answered = today.order("known@example.org", starts_at=_evening(3))
        from_library = today.token_of("admin", issuer="library_url", path="/api/login/")
        accepted = today.ask("POST", "/api/admin/accept_booking/", {"id": answered["id"]}, token=from_library)
        today.wait_for_mails(guest, 1)
        wait_until(lambda: "<dd>confirmed</dd>" in today.back_office_says(answered["id"]), seconds=60)
        below = up.descendants()
        up.process.send_signal(signal.SIGINT)
        status = up.process.wait(60)
        wait_until(lambda: not any(is_alive(pid) for pid in below))

    with run_up(tmp_path, "--demo", "--only", "tables", password=_PASSWORD, clock_offset=5 * 3600) as up:
        up.wait_until_ready()
        later = Restaurant(up)
        expired = later.wait_for_mails(guest, 2)
        again, remembered = later.token_of("staff"), later.back_office_says(answered["id"])

    assert (accepted.status_code, status, bool(again)) == (200, 0, True), accepted.text
    assert "<dd>confirmed</dd>" in remembered
    assert len({mail["subject"] for mail in expired}) == 2
    assert len(later.addresses["users"]) == len(today.addresses["users"])

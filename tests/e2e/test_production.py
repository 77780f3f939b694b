"""A production with all its programs: the stories of library, partners and tables, from click to mail."""

import datetime as dt
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.e2e.embedded import wait_until
from tests.infrastructure import running_servers
from tests.mail_sink import Mail
from tests.production import Production, production

pytestmark = pytest.mark.timeout(240)

_PASSWORD = "a-good-long-password-1"
_BOOKS = (  # the simulated partners have them
    "isbn13,title,authors",
    '9780439023481,"The Hunger Games",Suzanne Collins',
    "9780439554930,Harry Potter and the Sorcerer's Stone,J.K. Rowling",
    "9780061120084,To Kill a Mockingbird,Harper Lee",
)
_RUNNING = (
    *("simulators", "library", "partners", "tables", "notifier", "relay", "scheduler"),
    *("worker-library", "worker-tables", "worker-notifier"),
)
_CONFIRM = re.compile(r"https?://\S+/accounts/confirm-email/\S+")
_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_CANCEL = re.compile(r"https?://\S+/api/customer/cancel_booking/\?id=\S+")


class City:
    """The running production with its people."""

    def __init__(self, site: Production) -> None:
        self.site = site
        self.tokens: dict[str, str] = {}

    def library(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """What the library answers somebody."""
        return self.site.call("library", method, path, body, token=self.tokens[who])

    def log_in(self, who: str) -> None:
        """Get the library's token."""
        login = {"username": who, "password": _PASSWORD}
        self.tokens[who] = self.site.call("library", "POST", "/api/login/", login)["access"]

    def mails(self, to: str) -> list[Mail]:
        """To an address, first to last."""
        return [mail for mail in self.site.sink.mails() if mail.to == to]

    def wait_for_mails(self, to: str, number: int) -> list[Mail]:
        """So many."""
        wait_until(lambda: len(self.mails(to)) >= number)
        return self.mails(to)

    def become_reader(self, who: str) -> None:
        """Sign up, and press the button behind the link of the mail."""
        address = f"{who}@example.org"
        self.site.call("library", "POST", "/api/register/", {"username": who, "password": _PASSWORD, "email": address})
        (mail,) = self.wait_for_mails(address, 1)
        link = _CONFIRM.search(mail.parts["text/plain"])
        assert link is not None, mail.parts
        with httpx2.Client(timeout=20, trust_env=False) as browser:
            form = _FORM_TOKEN.search(browser.get(link[0]).text)
            assert form is not None
            pressed = browser.post(link[0], data={"csrfmiddlewaretoken": form[1]})
        assert pressed.status_code == 200, pressed.text
        self.log_in(who)


def _settle(city: City) -> None:
    """What an operator and an administrator do on the first day."""
    site = city.site
    books = site.folder / "books.csv"
    books.write_text("\n".join(_BOOKS) + "\n")
    site.run("import", str(books))
    site.run("create-admin", "root", "root@example.org", BOOKWELL_ADMIN_PASSWORD=_PASSWORD)
    site.run("tables", "create-user", "waiter", BOOKWELL_USER_PASSWORD=_PASSWORD)
    city.log_in("root")
    desk = {"username": "desk", "password": _PASSWORD, "email": "desk@example.org", "role": "librarian"}
    city.library("root", "POST", "/api/users/", desk)
    city.log_in("desk")
    city.library("root", "POST", "/api/branches/", {"code": "MAIN", "name": "Main", "time_zone": "Europe/Warsaw"})
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(city.become_reader, ("anna", "bert", "cleo")))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, redis_url: str, rabbitmq_url: str) -> Iterator[City]:
    with running_servers(["mariadb", "postgresql"]) as servers:
        urls = {kind: server.url for kind, server in servers.items()}
        folder = tmp_path_factory.mktemp("production")
        with production(folder, urls | {"redis": redis_url, "rabbitmq": rabbitmq_url}) as site:
            site.prepare()
            site.start(*_RUNNING)
            running = City(site)
            _settle(running)
            yield running


def _book(city: City, title: str) -> dict[str, Any]:
    found: dict[str, Any] = city.site.call("library", "GET", f"/api/books/?q={title}")["items"][0]
    return found


def test_library__reserve_queue_shelve_return__each_step_reaches_the_readers(city: City) -> None:
    book = _book(city, "mockingbird")
    city.library("desk", "POST", f"/api/books/{book['id']}/copies/", {"barcode": "0001", "branch": "MAIN"})
    first = city.library("anna", "POST", "/api/reservations/", {"book_id": book["id"]})
    second = city.library("bert", "POST", "/api/reservations/", {"book_id": book["id"]})

    city.library("desk", "POST", f"/api/reservations/{first['id']}/shelve/")
    to_anna = city.wait_for_mails("anna@example.org", 3)
    city.wait_for_mails("bert@example.org", 2)
    city.library("desk", "POST", f"/api/reservations/{first['id']}/issue/")
    city.library("desk", "POST", f"/api/reservations/{first['id']}/return_book/")
    promoted = city.library("bert", "GET", f"/api/reservations/{second['id']}/")

    assert (first["state"], second["state"], promoted["state"]) == ("assigned", "waiting", "assigned")
    assert len({mail.subject for mail in to_anna}) == 3  # confirm your address, received, ready
    assert "text/calendar" in to_anna[2].parts
    assert {mail.sender for mail in to_anna} == {"library@example.org"}


def test_partners__a_hold_is_asked_for_and_accepted__the_reader_hears_of_it(city: City) -> None:
    books = {book["id"]: book for book in city.site.call("library", "GET", "/api/books/")["items"]}
    told = {number: city.site.call("partners", "GET", f"/status/{number}")["availability"] for number in books}
    number, library = next((book, name) for book, names in told.items() for name, is_free in names.items() if is_free)

    placed = city.library("cleo", "POST", "/api/reservations/", {"book_id": number, "library": library})
    wait_until(lambda: _state(city, placed) != "requested")
    holds = city.site.call("simulators", "GET", f"/control/{library.replace(' ', '-')}/holds")["holds"]
    mails = city.wait_for_mails("cleo@example.org", 3)

    assert (placed["state"], _state(city, placed)) == ("requested", "accepted")
    assert [hold["isbn"] for hold in holds] == [books[number]["isbn"]]
    assert len({mail.subject for mail in mails}) == 3  # confirm your address, asked, accepted


def test_tables__order_confirmed_by_the_back_office_and_cancelled__guest_is_told(city: City) -> None:
    site, guest = city.site, "guest@example.org"
    login = {"username": "waiter", "password": _PASSWORD}
    waiter = site.call("tables", "POST", "/api/token/", login)["access"]
    tomorrow = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)  # noqa: TID251 -- a production lives in the present
    table = site.call(
        "tables",
        "POST",
        "/api/admin/add_table/",
        {"name": "Window", "table_type": "regular", "seats": 4, "price": 10.5},
        token=waiter,
    )
    order = {"id": table["id"], "starts_at": f"{tomorrow}T18:00", "party_size": 4, "name": "Ada", "email": guest}

    placed = site.call("tables", "POST", "/api/customer/book_table/", order)
    wait_until(lambda: _in_back_office(site) == {placed["id"]: "requested"})
    decided = site.call("simulators", "POST", f"/backoffice/orders/{placed['id']}/confirm")
    received, confirmed = city.wait_for_mails(guest, 2)
    link = _CANCEL.search(received.parts["text/plain"])
    assert link is not None, received.parts
    cancelled = site.ask("tables", "POST", link[0])
    told = city.wait_for_mails(guest, 3)[2]
    wait_until(lambda: _in_back_office(site) == {placed["id"]: "cancelled"})

    assert placed["state"] == "requested"
    assert [sent["status"] for sent in decided["sent"]] == [200]
    assert "text/calendar" in confirmed.parts
    assert cancelled.status_code == 200, cancelled.text
    assert len({mail.subject for mail in (received, confirmed, told)}) == 3


def test_processes__are_healthy_and_log_into_the_librarys_database(city: City) -> None:
    site = city.site

    for name in _RUNNING:
        site.wait_until_healthy(name)
    logged = city.library("root", "GET", "/api/logs/?limit=100")["items"]

    assert logged
    assert not [each for each in site.sink.mails() if "bookwell.example" in each.to]


def _state(city: City, reservation: dict[str, Any]) -> str:
    return str(city.library("cleo", "GET", f"/api/reservations/{reservation['id']}/")["state"])


def _in_back_office(site: Production) -> dict[int, str]:
    orders = site.call("simulators", "GET", "/backoffice/orders")["orders"]
    return {order["booking_id"]: order["state"] for order in orders}

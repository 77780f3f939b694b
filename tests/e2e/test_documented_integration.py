"""The integrator's page: its code does what it says, at a demo."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.embedded import Up, run_up

pytestmark = pytest.mark.timeout(180)

_PAGE = Path(__file__).parents[2] / "docs" / "integrating.md"
_PASSWORD = "one-for-all"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")  # the page's code asks as any program does


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    """What the page's blocks of Python define."""
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)  # noqa: S102 -- our own page
    return names


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, dict[str, Any]]]:
    """A running demo, and its addresses."""
    with run_up(tmp_path_factory.mktemp("integrating"), "--demo", password=_PASSWORD) as up:
        up.wait_until_ready()
        yield up, json.loads((up.folder / "demo.json").read_text())


def test_the_pages_client__reserves_for_a_card_and_once(page: dict[str, Any], demo: tuple[Up, dict[str, Any]]) -> None:
    up, at = demo
    token = page["client_token"](at["library_url"], *_new_client(up, "Kiosk", "reservations:write"))
    reader = _login(page, at["library_url"])
    _, book = page["call"]("GET", f"{at['library_url']}/api/books/?q=hobbit")
    isbn = book["items"][0]["isbn"]

    wanted = {"isbn": isbn, "card": _card(page, at["library_url"], reader), "reference": "kiosk-1"}
    first, again = (page["reserve"](at["partners_url"], token, **wanted) for _ in range(2))

    assert first["id"] == again["id"]
    with pytest.raises(RuntimeError, match=r"^reservation\.exists$"):
        page["reserve"](at["partners_url"], token, **(wanted | {"reference": "kiosk-2"}))


def test_the_pages_questions__are_answered(page: dict[str, Any], demo: tuple[Up, dict[str, Any]]) -> None:
    _, at = demo
    _, books = page["call"]("GET", f"{at['library_url']}/api/books/?q=hobbit")
    isbn = books["items"][0]["isbn"]

    assert set(page["where_to_get"](at["partners_url"], isbn)) <= {"library 2", "library 3", "library 4"}
    assert page["daia"](at["library_url"], isbn, "9780000000002").keys() == {f"isbn:{isbn}"}


def test_the_pages_order__waits_for_staff_and_stands_in_the_feed(
    page: dict[str, Any], demo: tuple[Up, dict[str, Any]]
) -> None:
    up, at = demo
    token = page["client_token"](at["library_url"], *_new_client(up, "Till", "bookings:read"))
    order = {"starts_at": _tomorrow(page), "party_size": 4, "email": "guest@example.org", "key": "order-1"}

    first, again = (page["order_table"](at["tables_url"], **order) for _ in range(2))
    events, cursor = page["read_feed"](at["tables_url"], token)

    assert first["state"] == "requested"
    assert first["id"] == again["id"]
    assert (events[-1]["type"], events[-1]["data"]["booking_id"]) == ("booking.requested", first["id"])
    assert page["read_feed"](at["tables_url"], token, cursor) == ([], cursor)


def _new_client(up: Up, name: str, scope: str) -> tuple[str, str]:
    """What `bookwell clients add` prints."""
    command = [sys.executable, "-m", "bookwell.cli.main", "clients", "add", name, "--scope", scope]
    done = subprocess.run(  # noqa: S603 -- our own program
        command, env={"BOOKWELL_DATA_DIR": str(up.folder)}, capture_output=True, text=True, check=True, timeout=60
    )
    words = done.stdout.split()
    return words[words.index("client_id") + 1], words[words.index("client_secret") + 1]


def _login(page: dict[str, Any], library: str) -> str:
    _, tokens = page["call"]("POST", f"{library}/api/login/", {"username": "reader", "password": _PASSWORD})
    return str(tokens["access"])


def _card(page: dict[str, Any], library: str, token: str) -> str:
    _, me = page["call"]("GET", f"{library}/api/me/", token=token)
    return str(me["card_number"])


def _tomorrow(page: dict[str, Any]) -> str:
    """The restaurant's tomorrow evening, by the machine's clock, as the page's code has it."""
    seconds = page["time"].time() + 24 * 60 * 60
    return str(page["time"].strftime("%Y-%m-%dT18:00", page["time"].gmtime(seconds)))

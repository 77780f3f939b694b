"""What readers are told, on a demo whose clock is moved forward: the mails are read as a person's script reads them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.embedded import run_up, wait_until

pytestmark = pytest.mark.timeout(240)

_PASSWORD = "one-for-all"
_DAY = 86_400


class Visit:
    """A running demo, seen by people with passwords and by whoever reads the mails."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def call(self, username: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The body of a good answer."""
        with httpx2.Client(base_url=self.document["library_url"], timeout=20, trust_env=False) as http:
            tokens = http.post("/api/login/", json={"username": username, "password": _PASSWORD}).json()
            bearer = {"Authorization": f"Bearer {tokens['access']}"}
            answer = http.request(method, path, json=body, headers=bearer)
        assert answer.status_code < 300, answer.text
        content: dict[str, Any] = answer.json()
        return content

    def mails(self, username: str) -> list[dict[str, Any]]:
        """The mails to one of the demo's users, newest first."""
        address = f"{username}@bookwell.example"
        answer = httpx2.get(f"{self.document['mail_url']}/messages", params={"to": address}, trust_env=False)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def wait_for_mails(self, username: str, number: int) -> list[dict[str, Any]]:
        """So many mails, newest first."""
        wait_until(lambda: len(self.mails(username)) >= number)
        return self.mails(username)

    def state_of(self, reservation_id: int) -> str:
        """The state of a reservation."""
        return str(self.call("librarian", "GET", f"/api/reservations/{reservation_id}/")["state"])


@contextmanager
def _visit(folder: Path, *, days: float) -> Iterator[Visit]:
    with run_up(folder, "--demo", "--only", "library", password=_PASSWORD, clock_offset=days * _DAY) as up:
        wait_until(lambda: "Bookwell is ready" in up.text or up.process.poll() is not None, seconds=120)
        assert "Bookwell is ready" in up.text, up.text
        yield Visit(json.loads((up.folder / "demo.json").read_text()))


def _single_copy_book(visit: Visit) -> int:
    found = visit.call("reader", "GET", "/api/books/?q=tolkien")["items"]
    return int(next(book["id"] for book in found if book["copies_total"] == 1 == book["copies_available"]))


def test_mails__nobody_comes_in_time__each_hears_what_concerns_them_in_their_language(tmp_path: Path) -> None:
    with _visit(tmp_path, days=0) as today:
        today.call("josh", "PATCH", "/api/me/", {"language": "pl"})
        book = _single_copy_book(today)
        first = today.call("reader", "POST", "/api/reservations/", {"book_id": book})["id"]
        second = today.call("josh", "POST", "/api/reservations/", {"book_id": book})["id"]
        today.call("librarian", "POST", f"/api/reservations/{first}/shelve/")
        ready, placed = today.wait_for_mails("reader", 2)
        (queued,) = today.wait_for_mails("josh", 1)

    assert "confirmed" not in placed["text"].lower()
    assert placed["headers"]["Auto-Submitted"] == "auto-generated"
    assert [part["content_type"].split(";")[0] for part in ready["attachments"]] == ["text/calendar"]
    assert "pierwsze miejsce" in queued["text"]
    assert queued["html"]

    with _visit(tmp_path, days=20) as later:
        wait_until(lambda: later.state_of(first) == "expired", seconds=60)
        assert later.state_of(second) == "assigned"
        later.call("librarian", "POST", f"/api/reservations/{second}/shelve/")
        to_first, to_second = later.wait_for_mails("reader", 3), later.wait_for_mails("josh", 2)

    assert len({mail["subject"] for mail in to_first}) == 3
    assert len(to_second) == 2
    assert to_second[0]["subject"] != ready["subject"]

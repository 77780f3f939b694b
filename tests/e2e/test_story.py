"""The library's main job over HTTP, on a demo started as a newcomer starts it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.embedded import run_up, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A running demo: what its `demo.json` says."""
    folder: Path = tmp_path_factory.mktemp("demo")
    with run_up(folder, "--demo", "--only", "library") as up:
        wait_until(lambda: "Bookwell is ready" in up.text, seconds=120)
        yield json.loads((up.folder / "demo.json").read_text())


class Person:
    """Somebody with a token."""

    def __init__(self, demo: dict[str, Any], http: httpx2.Client, username: str) -> None:
        password = next(user["password"] for user in demo["users"] if user["username"] == username)
        self.http = http
        tokens = self.http.post("/api/login/", json={"username": username, "password": password}).json()
        self.http.headers["Authorization"] = f"Bearer {tokens['access']}"

    def get(self, path: str, **params: Any) -> Any:
        """The body of a good answer."""
        answer = self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
        """The body of an answer with the expected status."""
        answer = self.http.post(path, json=body) if body is not None else self.http.post(path)
        assert answer.status_code == status, answer.text
        return answer.json()


People = Callable[[str], Person]


@pytest.fixture
def person(demo: dict[str, Any]) -> Iterator[People]:
    """People by their usernames, who leave when the test ends."""
    with ExitStack() as stack:

        def come(username: str) -> Person:
            client = httpx2.Client(base_url=demo["library_url"], timeout=20, trust_env=False)
            return Person(demo, stack.enter_context(client), username)

        yield come


def _single_copy_book(reader: Person) -> dict[str, Any]:
    found = reader.get("/api/books/", q="tolkien")["items"]
    return next(book for book in found if book["copies_total"] == 1 == book["copies_available"])


def test_story__search_reserve_queue_shelve_issue_return__second_reader_is_assigned(person: People) -> None:
    first, second, librarian = person("reader"), person("customer"), person("librarian")
    book = _single_copy_book(first)

    mine = first.post("/api/reservations/", {"book_id": book["id"]}, status=201)
    theirs = second.post("/api/reservations/reserve/", {"book_id": book["id"]}, status=201)
    pulled = [item["id"] for item in librarian.get("/api/desk/pull-list/")["items"]]
    shelved = librarian.post(f"/api/reservations/{mine['id']}/shelve/")
    issued = librarian.post(f"/api/reservations/{mine['id']}/issue/")
    returned = librarian.post(f"/api/reservations/{mine['id']}/return_book/")
    promoted = second.get(f"/api/reservations/{theirs['id']}/")
    facts = second.get(f"/api/reservations/{theirs['id']}/explain/")["facts"]

    assert (mine["state"], theirs["state"], theirs["position"]) == ("assigned", "waiting", 1)
    assert theirs["estimated_ready_on"] is not None
    assert mine["id"] in pulled
    assert (shelved["state"], issued["state"], returned["state"]) == ("ready", "borrowed", "returned")
    assert shelved["pickup_deadline_at"] > shelved["ready_at"]
    assert returned["instruction"]["action"] == "hold_shelf"
    assert promoted["state"] == "assigned"
    assert "queue.promoted" in [fact["code"] for fact in facts]
    assert first.http.get(f"/api/reservations/{theirs['id']}/").status_code == 404


def test_older_contract__root_paths_with_and_without_slash(person: People) -> None:
    customer = person("customer")

    books = [customer.http.get(path, params={"q": "tolkien"}) for path in ("/books", "/books/", "/api/books/")]
    book_id = books[0].json()["items"][0]["id"]
    one = [customer.http.get(path) for path in (f"/books/{book_id}", f"/books/{book_id}/", f"/api/books/{book_id}/")]

    assert {answer.status_code for answer in books + one} == {200}
    assert [item["id"] for item in books[0].json()["items"]] == [item["id"] for item in books[2].json()["items"]]
    assert one[0].json() == one[2].json()


def test_policies_and_branches__are_open_to_read(demo: dict[str, Any]) -> None:
    with httpx2.Client(base_url=demo["library_url"], trust_env=False) as anyone:
        branches = anyone.get("/api/branches/").json()["items"]
        policies = anyone.get("/api/policies/").json()["items"]
        refused = anyone.post("/api/policies/", json={"category": "adult"})

    assert branches[0]["name"] == "Main Library"
    assert {policy["category"] for policy in policies} >= {"adult", "child", "staff"}
    assert (refused.status_code, refused.json()["code"]) == (401, "auth.required")

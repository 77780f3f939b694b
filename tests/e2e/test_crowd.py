"""A crowd at the door of `bookwell up`: many requests at once, each in a thread and connection of its own."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.e2e.embedded import Up, run_up
from tests.e2e.newcomers import settle

PLACE = "/api/reservations/"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with run_up(tmp_path_factory.mktemp("crowd"), "--only", "library") as started:
        started.wait_until_ready()
        yield started


@pytest.fixture
def http(up: Up) -> Iterator[httpx2.Client]:
    """As many connections as there are requests at once."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    with httpx2.Client(base_url=f"http://127.0.0.1:{up.port}", limits=limits, timeout=30, trust_env=False) as client:
        yield client


def _place_at_once(
    http: httpx2.Client, wishes: Sequence[tuple[str, int]], headers: dict[str, str] | None = None
) -> list[httpx2.Response]:
    """The answers to (token, book) wishes that set out together."""
    start = threading.Barrier(len(wishes))

    def place(token: str, book_id: int) -> httpx2.Response:
        start.wait(30)
        return http.post(PLACE, json={"book_id": book_id}, headers=_bearer(token) | (headers or {}))

    with ThreadPoolExecutor(len(wishes)) as threads:
        return list(threads.map(place, *zip(*wishes, strict=True)))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_two_hundred_readers__reserve_one_book_of_three_copies__three_have_it_and_the_rest_knows_its_place(
    up: Up, http: httpx2.Client
) -> None:
    crowd = settle(up, readers=200, limit=5, books=1, copies=3)

    answers = _place_at_once(http, [(token, crowd.books[0]) for token in crowd.tokens])

    assert Counter(answer.status_code for answer in answers) == {201: 200}
    told = [answer.json() for answer in answers]
    assert Counter(one["state"] for one in told) == {"assigned": 3, "waiting": 197}
    assert sorted(one["position"] for one in told if one["state"] == "waiting") == list(range(1, 198))
    assert len({one["copy"] for one in told if one["state"] == "assigned"}) == 3
    read = [
        http.get(answer.headers["Location"], headers=_bearer(token)).json()
        for token, answer in zip(crowd.tokens, answers, strict=True)
    ]
    assert [(one["id"], one["position"]) for one in read] == [(one["id"], one["position"]) for one in told]


def test_one_reader_of_limit_five__reserves_thirty_books_at_once__has_five(up: Up, http: httpx2.Client) -> None:
    keen = settle(up, readers=1, limit=5, books=30, copies=1)

    answers = _place_at_once(http, [(keen.tokens[0], book) for book in keen.books])

    assert Counter(answer.status_code for answer in answers) == {201: 5, 409: 25}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"reservation.limit_reached"}
    assert _reserved_books(http, keen.tokens[0]) == sorted(
        answer.json()["book_id"] for answer in answers if answer.status_code == 201
    )


def test_one_request__sent_twenty_times_with_one_key__is_one_reservation_and_one_answer(
    up: Up, http: httpx2.Client
) -> None:
    reader = settle(up, readers=1, limit=5, books=1, copies=1)
    wish = (reader.tokens[0], reader.books[0])

    answers = _place_at_once(http, [wish] * 20, {"Idempotency-Key": "pressed-twenty-times"})
    again = _place_at_once(http, [wish], {"Idempotency-Key": "pressed-twenty-times"})

    refused = [answer for answer in answers if answer.status_code != 201]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} <= {(409, "idempotency.in_flight")}
    assert len(refused) < len(answers)
    assert {answer.content for answer in answers if answer.status_code == 201} == {again[0].content}
    assert _reserved_books(http, wish[0]) == [wish[1]]


def _reserved_books(http: httpx2.Client, token: str) -> list[int]:
    items = http.get(PLACE, params={"limit": 100}, headers=_bearer(token)).json()["items"]
    return sorted(item["book_id"] for item in items)

"""Crowds at a served library, on every database: one process on SQLite as when embedded, two workers elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import httpx2
import pytest
from django.db import connection

from bookwell.kit import clock
from bookwell.kit.ids import new_id
from bookwell.library.circulation.models import Reservation
from bookwell.library.circulation.rules import State
from tests.concurrency.racing import race
from tests.concurrency.works import readers, states
from tests.factories import BookFactory, PolicyFactory, ReaderFactory
from tests.invariants import assert_invariants
from tests.serving import Served, serving, token_of

pytestmark = pytest.mark.usefixtures("committed")

PLACE = "/api/reservations/"


@pytest.fixture(scope="module")
def served(committed_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    workers = 1 if connection.vendor == "sqlite" else 2
    with serving(committed_url, workers=workers, log=tmp_path_factory.mktemp("crowds") / "log.txt") as started:
        yield started


@pytest.fixture
def http(served: Served) -> Iterator[httpx2.Client]:
    """As many connections as there are requests at once."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    with httpx2.Client(base_url=served.url, limits=limits, timeout=60, trust_env=False) as client:
        yield client


def _at_once(requests: Sequence[Callable[[], httpx2.Response]]) -> list[httpx2.Response]:
    return [outcome.value for outcome in race(requests)]


def _placing(http: httpx2.Client, token: str, book_id: int, key: str = "") -> Callable[[], httpx2.Response]:
    headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
    return partial(http.post, PLACE, json={"book_id": book_id}, headers=headers)


def _outcome(answer: httpx2.Response) -> int | str:
    return str(answer.json()["code"]) if answer.status_code >= 400 else answer.status_code


def test_two_hundred_readers_at_once__all_are_answered_201_and_stand_in_line(http: httpx2.Client) -> None:
    book = BookFactory.create(copies=3)
    tokens = [token_of(reader) for reader in readers(200)]

    answers = _at_once([_placing(http, token, book.pk) for token in tokens])

    assert Counter(map(_outcome, answers)) == {201: 200}
    positions = Counter(answer.json()["position"] for answer in answers)
    assert positions == {None: 3} | dict.fromkeys(range(1, 198), 1)
    assert states(book) == {State.ASSIGNED: 3, State.WAITING: 197}
    assert_invariants([book.pk], now=clock.now())


def test_one_key_twenty_times_at_once__one_reservation_and_equal_answers(http: httpx2.Client) -> None:
    book, reader = BookFactory.create(copies=2), ReaderFactory.create()
    place = _placing(http, token_of(reader), book.pk, new_id())

    answers = _at_once([place] * 20)

    assert set(map(_outcome, answers)) <= {201, "idempotency.in_flight"}
    assert {answer.content for answer in answers if answer.status_code == 201} == {place().content}
    assert states(book) == {State.ASSIGNED: 1}
    assert_invariants([book.pk], now=clock.now())


def test_limit_of_five__thirty_requests_at_once__five_are_there(http: httpx2.Client) -> None:
    reader = ReaderFactory.create(policy=PolicyFactory.create(max_open_reservations=5))
    books = [BookFactory.create(copies=number % 2) for number in range(30)]
    token = token_of(reader)

    answers = _at_once([_placing(http, token, book.pk) for book in books])

    assert Counter(map(_outcome, answers)) == {201: 5, "reservation.limit_reached": 25}
    assert Reservation.objects.filter(reader=reader, open_marker=1).count() == 5
    assert_invariants([book.pk for book in books], now=clock.now())


def test_reserve_and_cancel_again_and_again__from_many_clients__nothing_is_held_in_the_end(
    http: httpx2.Client,
) -> None:
    book = BookFactory.create(copies=2)
    tokens = [token_of(reader) for reader in readers(12)]

    def come_and_go(token: str) -> list[int]:
        statuses = []
        for _ in range(4):
            placed = _placing(http, token, book.pk)()
            gone = http.delete(placed.headers["Location"], headers={"Authorization": f"Bearer {token}"})
            statuses += [placed.status_code, gone.status_code]
        return statuses

    outcomes = race([partial(come_and_go, token) for token in tokens])

    assert [outcome.value for outcome in outcomes] == [[201, 200] * 4] * 12
    assert states(book) == {State.CANCELLED: 48}
    assert_invariants([book.pk], now=clock.now())

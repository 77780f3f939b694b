"""What readers get within the budget, whatever partners do."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import structlog
import time_machine
from structlog.testing import LogCapture

from bookwell.contracts.partners import PartnerState
from bookwell.kit.service_keys import is_service_key
from bookwell.partners.adapters.protocol import Failure, PartnerFailed
from bookwell.partners.availability import calls
from tests.fake_partners import ISBN, FakeAdapter, World, down, in_world

BUDGET_MS = 400
HANGING_SECONDS = 3600


def status(world: World, book_id: int = 1) -> Any:
    answer = world.client.get(f"/status/{book_id}")
    assert answer.status_code == 200, answer.text
    return answer.json


def nine(*, hanging: int) -> dict[str, FakeAdapter]:
    return {
        f"library {number}": FakeAdapter(seconds=HANGING_SECONDS if number <= hanging else 0.01)
        for number in range(1, 10)
    }


def test_status__three_of_nine_hang__the_others_are_told_in_time() -> None:
    with in_world(nine(hanging=3), partners_budget_ms=BUDGET_MS) as world:
        status(world, 3)
        told = status(world)  # `make bench` measures how well the budget is kept

    assert list(told["availability"].values()) == [None] * 3 + [True] * 6
    assert [library.get("error") for library in told["libraries"]] == ["timeout"] * 3 + [None] * 6


def test_status__asked_again__comes_from_the_cache() -> None:
    with in_world({"a": FakeAdapter()}) as world:
        first, second = status(world), status(world)

        assert world.adapters["a"].calls == 1
    assert [told["libraries"][0]["from_cache"] for told in (first, second)] == [False, True]
    assert first["libraries"][0]["fetched_at"] == second["libraries"][0]["fetched_at"]


def test_status__stale__is_told_at_once_and_asked_again_meanwhile() -> None:
    with in_world({"a": FakeAdapter()}) as world, time_machine.travel("2026-03-01T12:00:00Z", tick=True) as traveller:
        status(world)
        world.adapters["a"].state = PartnerState.UNAVAILABLE
        traveller.shift(120)
        stale = status(world)
        _wait_until(lambda: world.adapters["a"].calls == 2)
        fresh = _until(lambda: status(world), lambda told: told["availability"]["a"] is False)

    assert (stale["availability"]["a"], stale["libraries"][0]["fetched_at"][:16]) == (True, "2026-03-01T12:00")
    assert fresh["libraries"][0]["fetched_at"][:16] == "2026-03-01T12:02"


def test_status__old_and_the_partner_fails__is_told_with_its_age_and_the_error() -> None:
    adapter = FakeAdapter()
    with in_world({"a": adapter}) as world, time_machine.travel("2026-03-01T12:00:00Z", tick=True) as traveller:
        status(world)
        adapter.failures = down()
        traveller.shift(3600)
        (told,) = status(world)["libraries"]

    assert (told["state"], told["from_cache"], told["error"]) == ("available", True, "server_error")
    assert told["fetched_at"].startswith("2026-03-01T12:00")


def test_status__older_than_a_day_and_the_partner_fails__is_unknown() -> None:
    adapter = FakeAdapter()
    with in_world({"a": adapter}) as world, time_machine.travel("2026-03-01T12:00:00Z", tick=True) as traveller:
        status(world)
        adapter.failures = down()
        traveller.shift(86_401)
        (told,) = status(world)["libraries"]

    assert (told["state"], told["fetched_at"], told["error"]) == ("unknown", None, "server_error")


def test_status__many_ask_for_the_same_at_once__the_partner_is_asked_once() -> None:
    with in_world({"a": FakeAdapter(seconds=0.2)}) as world, ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda _: status(world), range(16)))

        assert world.adapters["a"].calls == 1
    assert {answer["availability"]["a"] for answer in told} == {True}


@pytest.mark.parametrize("failure", [*Failure])
def test_status__whatever_a_partner_does__is_null_with_a_code(failure: Failure) -> None:
    with in_world({"a": FakeAdapter(failures=[PartnerFailed(failure)] * 9)}) as world:
        told = status(world)

    assert told["availability"] == {"a": None}
    assert told["libraries"][0]["error"] == failure


def test_status__a_partner_fails__one_record_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = LogCapture()
    monkeypatch.setattr(calls, "_log", structlog.wrap_logger(None, processors=[capture]))
    with in_world({"a": FakeAdapter(failures=[PartnerFailed(Failure.MALFORMED)])}) as world:
        status(world)

    (record,) = capture.entries
    assert (record["event"], record["partner"], record["outcome"]) == ("partner.called", "a", "malformed")


def test_status__a_book_without_isbn__asks_nobody() -> None:
    with in_world() as world:
        told = status(world, 2)

        assert [adapter.calls for adapter in world.adapters.values()] == [0, 0]
    assert told["availability"] == {"library 2": None, "library 3": None}


def test_status__the_library_is_down_and_knows_the_book__is_told_from_what_is_remembered() -> None:
    with in_world() as world, time_machine.travel("2026-03-01T12:00:00Z", tick=True) as traveller:
        status(world)
        world.library.is_down = True
        traveller.shift(3600)

        assert status(world)["availability"] == {"library 2": True, "library 3": True}
        assert world.client.get("/status/3").status_code == 503


def test_status__the_book_was_removed__is_not_found_any_more() -> None:
    with in_world() as world, time_machine.travel("2026-03-01T12:00:00Z", tick=True) as traveller:
        status(world)
        del world.library.books[1]
        traveller.shift(3600)

        assert world.client.get("/status/1").status_code == 404
        world.library.is_down = True
        traveller.shift(31)
        assert world.client.get("/status/1").status_code == 503


@pytest.mark.parametrize("shared", [False, True])
def test_status__no_such_book__is_known_for_half_a_minute(shared: bool, request: pytest.FixtureRequest) -> None:
    redis = {"redis_url": request.getfixturevalue("redis_url")} if shared else {}
    book_id = secrets.randbelow(2**62) + 10
    with in_world(**redis) as world, time_machine.travel("2026-03-01T12:00:00Z", tick=True) as traveller:
        answers = [world.client.get(f"/status/{book_id}") for _ in range(5)]
        asked = len(world.library.seen)
        world.library.books[book_id] = ISBN
        traveller.shift(31)
        found = world.client.get(f"/status/{book_id}")

    assert {(answer.status_code, answer.json["code"]) for answer in answers if answer.json} == {(404, "book.not_found")}
    assert asked == 1
    assert found.status_code == 200


def test_status__the_library_is_asked__by_a_service_that_it_knows() -> None:
    with in_world(secret_key="shared") as world:
        status(world)
        (seen,) = world.library.seen

    assert is_service_key(seen.headers["X-Bookwell-Service"], "shared", "partners")


def test_availability__at_one_partner__asks_and_waits_for_nobody_else() -> None:
    with in_world({"a": FakeAdapter(), "b/ü": FakeAdapter(), "c": FakeAdapter(seconds=HANGING_SECONDS)}) as world:
        told = world.client.get(f"/books/{ISBN}/availability?partner=b%2F%C3%BC").json
        nobody = world.client.get(f"/books/{ISBN}/availability?partner=d")
        nameless = world.client.get(f"/books/{ISBN}/availability?partner=")

        assert [adapter.calls for adapter in world.adapters.values()] == [0, 1, 0]
    assert told is not None
    assert told["availability"] == {"b/ü": True}
    assert nobody.json is not None
    assert (nobody.status_code, nobody.json["code"]) == (404, "partner.unknown")
    assert nameless.json is not None
    assert (nameless.status_code, nameless.json["errors"][0]["parameter"]) == (422, "partner")


def test_availability__by_isbn__shares_what_is_remembered() -> None:
    with in_world({"a": FakeAdapter()}) as world:
        status(world)
        told = world.client.get(f"/books/{ISBN}/availability").json

        assert world.adapters["a"].calls == 1
    assert told is not None
    assert (told["isbn"], told["availability"]) == (ISBN, {"a": True})


def _wait_until(is_so: Any) -> None:
    assert _until(is_so, bool)


def _until(ask: Any, is_good: Any) -> Any:
    deadline = time.perf_counter() + 60
    while not is_good(told := ask()) and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert is_good(told)
    return told

"""The door for reservations: who may, what is sent on, and what is answered when the library dies in between."""

import json
from typing import Any

import httpx2
import pytest

from tests.fake_partners import ISBN, OTHER_ISSUER, FakeLibrary, World, in_world, token

READER: dict[str, Any] = {"sub": "5", "roles": ["reader"]}
MACHINE: dict[str, Any] = {"client_id": "other-system", "scope": "availability:read reservations:write"}


def reserve(world: World, body: Any, headers: dict[str, str] | None = None, **claims: Any) -> Any:
    return world.client.post("/reserve", json=body, headers={**token(**(claims or READER)), **(headers or {})})


def sent(world: World) -> Any:
    (request,) = world.library.seen
    return json.loads(request.content)


def test_reserve__a_reader__gets_the_librarys_answer() -> None:
    with in_world() as world:
        answer = reserve(world, {"book_id": 1, "library": "Main"}, {"Idempotency-Key": "k-1", "X-Request-ID": "r-1"})
        (request,) = world.library.seen

    assert (answer.status_code, answer.json) == (201, {"id": 1, "state": "waiting"})
    assert answer.headers["Location"] == "http://library.test/api/reservations/1/"
    assert str(request.url) == "http://library.test/api/reservations/"
    assert json.loads(request.content) == {"book_id": 1, "library": "Main"}
    assert request.headers["Authorization"] == answer.request.headers["Authorization"]
    assert (request.headers["Idempotency-Key"], request.headers["X-Request-ID"]) == ("k-1", "r-1")
    assert request.headers["traceparent"] == answer.headers["traceparent"]


def test_reserve__the_library_is_reached_by_an_inner_name__its_public_one_is_told() -> None:
    with in_world(library_issuer=OTHER_ISSUER) as world:
        answer = reserve(world, {"book_id": 1})
        (request,) = world.library.seen

    assert str(request.url) == "http://library.test/api/reservations/"
    assert answer.headers["Location"] == f"{OTHER_ISSUER}/api/reservations/1/"


def test_reserve__a_machine_client__names_reader_isbn_and_its_own_reference() -> None:
    with in_world() as world:
        body = {"isbn": "0-261-10357-1", "reader": "C-5", "external_ref": "x/1"}
        answer = reserve(world, body, **MACHINE)

        assert sent(world) == {"isbn": ISBN, "reader": "C-5", "external_ref": "x/1"}
    assert answer.status_code == 201


def test_reserve__reserved_until__arrives_as_it_was_meant() -> None:
    with in_world() as world:
        reserve(world, {"book_id": 1, "reserved_until": "2026-03-12T18:00:00+02:00"})

        assert sent(world)["reserved_until"] == "2026-03-12T18:00:00+02:00"


def test_reserve__the_library_refuses__is_passed_on() -> None:
    problem = {"code": "reservation.limit_reached", "status": 409}
    library = FakeLibrary()
    library.answer = lambda _: httpx2.Response(
        409, content=json.dumps(problem), headers={"Content-Type": "application/problem+json", "Retry-After": "7"}
    )
    with in_world(library=library) as world:
        answer = reserve(world, {"book_id": 1})

    assert (answer.status_code, json.loads(answer.data)) == (409, problem)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "7"


def test_reserve__the_library_dies_after_its_work__the_same_key_finds_the_one_reservation() -> None:
    with in_world(library=FakeLibrary(dies=1)) as world:
        first = reserve(world, {"book_id": 1}, {"Idempotency-Key": "k-1"})
        second = reserve(world, {"book_id": 1}, {"Idempotency-Key": "k-1"})

        assert len(world.library.reservations) == 1
        assert world.library.seen[0].content == world.library.seen[1].content
    assert (first.status_code, first.json["code"], first.json["retryable"]) == (503, "library.unreachable", True)
    assert int(first.headers["Retry-After"]) > 0
    assert second.status_code == 201


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(502, html="<h1>Bad gateway</h1>"),
        httpx2.Response(504, json={}),
        httpx2.Response(200, html="<h1>Hello</h1>"),
        httpx2.Response(200, content=b"[" + b"1," * 600_000 + b"1]", headers={"Content-Type": "application/json"}),
    ],
    ids=["proxy", "proxy in JSON", "no JSON", "huge"],
)
def test_reserve__something_else_answers__is_unreachable(answer: httpx2.Response) -> None:
    library = FakeLibrary()
    library.answer = lambda _: answer
    with in_world(library=library) as world:
        refused = reserve(world, {"book_id": 1})

    assert (refused.status_code, refused.json["code"]) == (503, "library.unreachable")


@pytest.mark.parametrize("field", [{"reader": "C-5"}, {"external_ref": "x"}])
def test_reserve__a_reader_sends_what_is_for_machines__is_forbidden(field: dict[str, str]) -> None:
    with in_world() as world:
        refused = reserve(world, {"book_id": 1, **field})

        assert world.library.seen == []
    assert (refused.status_code, refused.json["code"]) == (403, "reservation.machine_clients_only")


def test_reserve__a_machine_without_a_reader__is_told() -> None:
    with in_world() as world:
        refused = reserve(world, {"book_id": 1}, **MACHINE)

        assert world.library.seen == []
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "#/reader")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"client_id": "x", "scope": "availability:read"}, 403),
        ({"client_id": "x"}, 403),
        ({"sub": "5", "roles": []}, 403),
        ({"sub": "5", "roles": ["service"]}, 403),
        ({"sub": "5", "roles": ["reader"], "aud": "other"}, 401),
        ({"sub": "5", "roles": ["reader"], "issuer": "http://other.test"}, 401),
        ({"sub": "5", "roles": ["reader"], "seconds": -1}, 401),
        ({"sub": "5", "roles": ["librarian"]}, 201),
        ({"sub": "5", "roles": ["reader"], "issuer": OTHER_ISSUER}, 201),
    ],
)
def test_reserve__who_may(claims: dict[str, Any], status: int) -> None:
    with in_world() as world:
        answer = reserve(world, {"book_id": 1}, **claims)

        assert len(world.library.seen) == (status == 201)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"book_id": 1, "isbn": ISBN}, "#"),
        ({"book_id": 0}, "#/book_id"),
        ({"book_id": 2**63}, "#/book_id"),
        ({"book_id": 10**30}, "#/book_id"),
        ({"book_id": "1"}, "#/book_id"),
        ({"book_id": True}, "#/book_id"),
        ({"book_id": 1.5}, "#/book_id"),
        ({"book_id": 1, "reserved_until": 5}, "#/reserved_until"),
        ({"book_id": 1, "reserved_until": "soon"}, "#/reserved_until"),
        ({"book_id": 1, "library": ""}, "#/library"),
        ({"book_id": 1, "library": "a\0"}, "#/library"),
        ({"book_id": 1, "color": "red"}, "#/color"),
        ([], "#"),
        ("x", "#"),
    ],
)
def test_reserve__a_wrong_body__is_refused_and_not_sent_on(body: Any, pointer: str) -> None:
    with in_world() as world:
        refused = reserve(world, body)

        assert world.library.seen == []
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, pointer)


def test_reserve__a_wrong_isbn__is_refused() -> None:
    with in_world() as world:
        refused = reserve(world, {"isbn": "9780261103574", "reader": "C-5"}, **MACHINE)

        assert world.library.seen == []
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "#/isbn")


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"book_id": NaN}', "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"book_id": 1}', "text/plain", 415),
        (b'{"book_id": 1}', "application/json; charset=latin-1", 415),
        (b"null", "application/json", 422),
        (b"[" * 5000 + b"]" * 5000, "application/json", 422),
        (b" " * 1_100_000, "application/json", 413),
    ],
)
def test_reserve__no_json__is_refused(data: bytes, content_type: str, status: int) -> None:
    with in_world() as world:
        refused = world.client.post("/reserve", data=data, content_type=content_type, headers=token(**READER))

    assert (refused.status_code, refused.content_type) == (status, "application/problem+json")


def test_reserve__no_token_and_a_wrong_body__is_401_first() -> None:
    with in_world() as world:
        refused = world.client.post("/reserve", data=b"{")

    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("key", ["", " ", "x" * 201, "a b", "é"])
def test_reserve__a_wrong_key__is_refused(key: str) -> None:
    with in_world() as world:
        refused = reserve(world, {"book_id": 1}, {"Idempotency-Key": key})

        assert world.library.seen == []
    assert (refused.status_code, refused.json["code"]) == (422, "idempotency.key_invalid")

"""What both doors of the partners service promise alike: its own, and the one for Python 2.7 that stands before it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from bookwell.contracts.partners import PartnerAvailability
from bookwell.contracts.problems import Problem
from bookwell.kit.health import HealthReport
from bookwell.kit.http_errors import KINDS
from bookwell.partners.api.schemas import Reserve
from tests.doors import Door, in_front_of_a_world
from tests.fake_partners import ISBN, FakeLibrary, World, token

READER: dict[str, Any] = {"sub": "5", "roles": ["reader"]}
MACHINE: dict[str, Any] = {"client_id": "other-system", "scope": "reservations:write"}
JSON = "application/json"
EXAMPLES: dict[str, Any] = {
    "book_id": 1,
    "isbn": ISBN,
    "reserved_until": "2026-03-12T18:00:00+02:00",
    "library": "Główna 🏛",
    "reader": "C-5",
    "external_ref": "x/1",
}


@pytest.fixture(scope="module", params=["partners", "python27"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Door, World]]:
    with in_front_of_a_world(request.param) as door_and_world:
        yield door_and_world


@pytest.fixture
def library(served: tuple[Door, World]) -> FakeLibrary:
    """As it was when it was new."""
    library = served[1].library
    library.is_down, library.dies, library.answer = False, 0, None
    library.seen.clear()
    library.reservations.clear()
    return library


@pytest.fixture
def door(served: tuple[Door, World], library: FakeLibrary) -> Door:
    return served[0]


def reserve(door: Door, body: Any, headers: dict[str, str] | None = None, **claims: Any) -> httpx2.Response:
    return door.http.post("/reserve", json=body, headers={**token(**claims or READER), **(headers or {})})


def send(door: Door, content: bytes, headers: dict[str, str] | None = None) -> httpx2.Response:
    return door.http.post(
        "/reserve", content=content, headers={"Content-Type": JSON, **token(**READER)} | (headers or {})
    )


def problem_in(answer: httpx2.Response) -> Problem:
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = Problem.model_validate_json(answer.content)
    assert problem.status == answer.status_code
    assert problem.trace_id == answer.headers["X-Request-ID"]
    return problem


def assert_refused(answer: httpx2.Response, status: int, code: str) -> None:
    """As the catalogue of codes says it."""
    problem = problem_in(answer)
    (kind,) = [kind for kind in KINDS if kind.code == code]
    assert (problem.status, problem.code, problem.detail) == (status, code, kind.meaning)
    assert problem.type == f"https://bookwell.dev/problems/{code}"
    assert problem.instance == answer.request.url.raw_path.decode().partition("?")[0]


def test_health__names_what_the_door_depends_on(door: Door) -> None:
    answer = door.http.get("/health")

    report = HealthReport.model_validate_json(answer.content)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON)
    assert [dependency.name for dependency in report.dependencies] in (["library"], ["partners"])


def test_status__a_book__is_told_as_each_partner_has_it(door: Door) -> None:
    answer = door.http.get("/status/1")

    told = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON)
    assert (told["book_id"], told["availability"]) == (1, {"library 2": True, "library 3": True})
    assert [PartnerAvailability.model_validate(item).name for item in told["libraries"]] == ["library 2", "library 3"]
    assert answer.headers["Cache-Control"] == "public, max-age=0, must-revalidate"


def test_status__the_library_is_down_and_the_book_unknown__is_503(door: Door, library: FakeLibrary) -> None:
    library.is_down = True

    answer = door.http.get("/status/77")

    problem = problem_in(answer)
    assert (problem.status, problem.code, problem.retryable) == (503, "library.unreachable", True)
    assert int(answer.headers["Retry-After"]) > 0


def test_status__a_book_that_is_not_there__is_404(door: Door, library: FakeLibrary) -> None:
    problem = problem_in(door.http.get("/status/99"))

    assert (problem.status, problem.code) == (404, "book.not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "http.not_found"),
        ("GET", "/", 404, "http.not_found"),
        ("GET", "/status/0", 404, "http.not_found"),
        ("GET", "/status/-1", 404, "http.not_found"),
        ("GET", "/status/1/", 404, "http.not_found"),
        ("GET", "/status/1.5", 404, "http.not_found"),
        ("GET", "/status/one", 404, "http.not_found"),
        ("GET", "/status/%00", 404, "http.not_found"),
        ("GET", f"/status/{2**63}", 404, "http.not_found"),
        ("GET", f"/status/{'9' * 3000}", 404, "http.not_found"),
        ("POST", "/status/1", 405, "http.method_not_allowed"),
        ("GET", "/reserve", 405, "http.method_not_allowed"),
    ],
)
def test_paths__that_are_not_there__are_problems(door: Door, method: str, path: str, status: int, code: str) -> None:
    answer = door.http.request(method, path)

    assert_refused(answer, status, code)
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("text/html, application/*;q=0.1", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/html", 406),
        ("nonsense", 406),
        ("*/*, application/json;q=0", 406),
        ("application/json;q=x", 406),
    ],
)
def test_accept__without_json__is_406(door: Door, accept: str, status: int) -> None:
    answer = door.http.get("/status/1", headers={"Accept": accept})

    assert answer.status_code == status
    if status == 406:
        assert_refused(answer, 406, "http.not_acceptable")


def test_answers__carry_the_requests_id_and_the_conventions_headers(door: Door) -> None:
    good, bad = (door.http.get("/nowhere", headers={"X-Request-ID": sent}) for sent in ("r-9", "r 9; x"))

    assert good.headers["X-Request-ID"] == "r-9"
    assert re.fullmatch("[0-9a-f]{32}", bad.headers["X-Request-ID"])
    assert good.headers["X-Content-Type-Options"] == "nosniff"
    assert good.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert good.headers["Cache-Control"] == "no-store"


def test_reserve__a_reader__gets_the_librarys_answer(door: Door, library: FakeLibrary) -> None:
    trace = "a" * 32
    headers = {"Idempotency-Key": "k-1", "X-Request-ID": "r-1", "traceparent": f"00-{trace}-{'b' * 16}-01"}

    answer = reserve(door, {"book_id": 1, "library": "Główna"}, headers)

    (request,) = library.seen
    assert (answer.status_code, answer.json()) == (201, {"id": 1, "state": "waiting"})
    assert answer.headers["Location"] == "http://library.test/api/reservations/1/"
    assert json.loads(request.content) == {"book_id": 1, "library": "Główna"}
    assert request.headers["Authorization"] == answer.request.headers["Authorization"]
    assert (request.headers["Idempotency-Key"], request.headers["X-Request-ID"]) == ("k-1", "r-1")
    assert request.headers["traceparent"].split("-")[1] == trace


@pytest.mark.parametrize("field", list(Reserve.model_fields))
def test_reserve__every_field_that_there_is__arrives(door: Door, library: FakeLibrary, field: str) -> None:
    book = {} if field in ("book_id", "isbn") else {"book_id": 1}
    body = {**book, "reader": "C-1", field: EXAMPLES[field]}

    answer = reserve(door, body, **MACHINE)

    (request,) = library.seen
    assert (answer.status_code, json.loads(request.content)) == (201, body)


@pytest.mark.parametrize(
    ("field", "shortest", "longest"), [("library", 1, 100), ("reader", 1, 64), ("external_ref", 1, 200)]
)
def test_reserve__texts__are_measured_in_characters(
    door: Door, library: FakeLibrary, field: str, shortest: int, longest: int
) -> None:
    sizes = (shortest - 1, shortest, longest, longest + 1)
    bodies = [{"book_id": 1, "reader": "C-1", field: "🏛" * size} for size in sizes]

    answers = [reserve(door, body, **MACHINE) for body in bodies]

    assert [answer.status_code for answer in answers] == [422, 201, 201, 422]
    assert [fields_in(answers[place]) for place in (0, 3)] == [
        {(f"#/{field}", "string_too_short")},
        {(f"#/{field}", "string_too_long")},
    ]


def test_reserve__the_library_refuses__is_passed_on(door: Door, library: FakeLibrary) -> None:
    problem = {"code": "reservation.limit_reached", "status": 409}
    headers = {"Content-Type": "application/problem+json", "Retry-After": "7", "RateLimit": '"default";r=0;t=7'}
    library.answer = lambda _: httpx2.Response(409, content=json.dumps(problem), headers=headers)

    answer = reserve(door, {"book_id": 1})

    assert (answer.status_code, answer.json()) == (409, problem)
    assert {name: answer.headers[name] for name in headers} == headers


def test_reserve__the_library_dies_after_its_work__the_same_key_finds_the_one_reservation(
    door: Door, library: FakeLibrary
) -> None:
    library.dies = 1

    first = reserve(door, {"book_id": 1}, {"Idempotency-Key": '"k 1"'})
    second = reserve(door, {"book_id": 1}, {"Idempotency-Key": '"k 1"'})

    problem = problem_in(first)
    assert (problem.code, problem.retryable, int(first.headers["Retry-After"]) > 0) == (
        "library.unreachable",
        True,
        True,
    )
    assert (second.status_code, len(library.reservations)) == (201, 1)
    assert library.seen[0].content == library.seen[1].content


def test_reserve__a_reader_sends_what_is_for_machines__is_403(door: Door, library: FakeLibrary) -> None:
    problem = problem_in(reserve(door, {"book_id": 1, "reader": "C-5"}))

    assert (problem.status, problem.code, library.seen) == (403, "reservation.machine_clients_only", [])


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic YTpi", "Bearer a b", "Bearer é"])
def test_reserve__without_a_token__is_401_whatever_else_is_wrong(
    door: Door, library: FakeLibrary, header: str | None
) -> None:
    headers: Any = {} if header is None else {"Authorization": header.encode()}

    answer = door.http.post("/reserve", content=b"{", headers=headers)

    assert_refused(answer, 401, "auth.required")
    assert (answer.headers["WWW-Authenticate"], library.seen) == ("Bearer", [])


def test_reserve__an_expired_token__is_401(door: Door, library: FakeLibrary) -> None:
    assert_refused(reserve(door, {"book_id": 1}, **READER, seconds=-1), 401, "auth.required")
    assert library.seen == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "request.unreadable"),
        (b"{", 400, "request.unreadable"),
        (b'{"book_id": 1} x', 400, "request.unreadable"),
        (b"{'book_id': 1}", 400, "request.unreadable"),
        (b'{"book_id": NaN}', 400, "request.unreadable"),
        (b'{"book_id": -Infinity}', 400, "request.unreadable"),
        (b'{"book_id": ' + b"9" * 5000 + b"}", 400, "request.unreadable"),
        (b'{"library": "\xff"}', 400, "request.unreadable"),
        (b'{"library": "\xed\xa0\xbd\xed\xb8\x80"}', 400, "request.unreadable"),
        (b'\xef\xbb\xbf{"book_id": 1}', 400, "request.unreadable"),
        ('{"book_id": 1}'.encode("utf-16"), 400, "request.unreadable"),
        (b'{"library": "a\nb"}', 400, "request.unreadable"),
        (b" " * 1_100_000, 413, "http.too_large"),
    ],
)
def test_reserve__no_json_that_is_read__is_refused(
    door: Door, library: FakeLibrary, content: bytes, status: int, code: str
) -> None:
    assert_refused(send(door, content), status, code)
    assert library.seen == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=UTF-8", 201),
        ("application/json; charset=latin-1", 415),
        ("application/vnd.api+json", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_reserve__another_content_type__is_415(
    door: Door, library: FakeLibrary, content_type: str, status: int
) -> None:
    answer = send(door, b'{"book_id": 1}', {"Content-Type": content_type})

    assert (answer.status_code, len(library.seen)) == (status, status == 201)


def test_reserve__a_body_without_its_length__is_411(door: Door, library: FakeLibrary) -> None:
    headers = {"Content-Type": JSON, **token(**READER)}

    answer = door.http.post("/reserve", content=iter([b'{"book_id": 1}']), headers=headers)

    assert_refused(answer, 411, "http.length_required")
    assert library.seen == []


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {("#", "value_error")}),
        ({"book_id": 1, "isbn": ISBN}, {("#", "value_error")}),
        ({"book_id": 0}, {("#/book_id", "greater_than_equal")}),
        ({"book_id": -(2**63) + 1}, {("#/book_id", "greater_than_equal")}),
        ({"book_id": 2**63}, {("#/book_id", "number_too_large")}),
        ({"book_id": 1e400}, {("#/book_id", "number_too_large")}),
        ({"book_id": "1"}, {("#/book_id", "int_type")}),
        ({"book_id": True}, {("#/book_id", "int_type")}),
        ({"book_id": 1.0}, {("#/book_id", "int_type")}),
        ({"book_id": [1]}, {("#/book_id", "int_type")}),
        ({"isbn": "123"}, {("#/isbn", "string_too_short")}),
        ({"isbn": 9780261103573}, {("#/isbn", "string_type")}),
        ({"book_id": 1, "reserved_until": 5}, {("#/reserved_until", "value_error")}),
        ({"book_id": 1, "reserved_until": "soon"}, {("#/reserved_until", "value_error")}),
        ({"book_id": 1, "reserved_until": "2026-03-12"}, {("#/reserved_until", "value_error")}),
        ({"book_id": 1, "reserved_until": "2026-02-30T10:00Z"}, {("#/reserved_until", "datetime_from_date_parsing")}),
        ({"book_id": 1, "library": "a\0"}, {("#/library", "nul_character")}),
        ({"book_id": 1, "a\0": 1}, {("#", "nul_character")}),
        ({"book_id": 1, "library": "\ud83d"}, {("#/library", "surrogate")}),
        ({"book_id": 1, "a/b~c": {}}, {("#/a~1b~0c", "extra_forbidden")}),
        ({"book_id": "x", "color": 1}, {("#/book_id", "int_type"), ("#/color", "extra_forbidden")}),
        ([], {("#", "model_type")}),
        ("x", {("#", "model_type")}),
        (None, {("#", "model_type")}),
    ],
)  # fmt: skip
def test_reserve__a_body_that_breaks_the_schema__says_where(
    door: Door, library: FakeLibrary, body: Any, fields: set[tuple[str, str]]
) -> None:
    answer = send(door, json.dumps(body).replace("Infinity", "1e400").encode())

    assert_refused(answer, 422, "request.invalid")
    assert (fields_in(answer), library.seen) == (fields, [])


@pytest.mark.parametrize("levels", [33, 5000, 500_000])
def test_reserve__a_body_that_is_too_deep__is_422(door: Door, library: FakeLibrary, levels: int) -> None:
    answer = send(door, b"[" * levels + b"]" * levels)

    assert_refused(answer, 422, "request.invalid")
    assert [code for _, code in fields_in(answer)] == ["too_deep"]


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", '"a"b"', "é"])
def test_reserve__a_wrong_key__is_422(door: Door, library: FakeLibrary, key: str) -> None:
    headers: Any = {"Idempotency-Key": key.encode()}

    problem = problem_in(reserve(door, {"book_id": 1}, headers))

    assert (problem.status, problem.code, problem.title) == (
        422,
        "idempotency.key_invalid",
        "Idempotency-Key is not valid",
    )
    assert library.seen == []


def fields_in(answer: httpx2.Response) -> set[tuple[str, str]]:
    return {(item.pointer or "", item.code) for item in problem_in(answer).errors}

"""What holds for every operation of tables: problems, headers, limits, both forms of a path, its document."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from bookwell.kit.errors import all_error_types
from bookwell.kit.http_errors import KINDS
from bookwell.kit.problems import status_of
from bookwell.tables.app import create_app
from bookwell.tables.db import Database
from bookwell.tables.reference import domain_errors, reference_files
from bookwell.tables.settings import TablesSettings
from tests.contract.tables.serving import served
from tests.restaurant import NOW, SITE, a_table, an_order
from tests.waiters import bearer

TABLES = "/api/customer/view_tables/"
BOOK = "/api/customer/book_table/"
REFERENCE = Path(__file__).parents[3] / "docs" / "api"
JSON = {"Content-Type": "application/json"}


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer is, complete and with the headers of every answer."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    content: dict[str, Any] = answer.json()
    assert content["code"] == code
    assert content["type"].endswith(f"/{code}")
    assert content["status"] == status
    assert content["trace_id"] == answer.headers["x-request-id"]
    return content


def test_errors__framework_ones_too__are_problems(client: TestClient) -> None:
    missing = problem(client.get("/api/nothing/%C5%BC?id=secret"), 404, "http.not_found")
    method = client.delete(TABLES)

    assert missing["instance"] == "/api/nothing/%C5%BC"
    problem(method, 405, "http.method_not_allowed")
    assert method.headers["allow"] == "GET"
    problem(client.get(TABLES, headers={"Accept": "text/html"}), 406, "http.not_acceptable")
    problem(
        client.post(BOOK, content=b"a=b", headers={"Content-Type": "text/plain"}), 415, "http.unsupported_media_type"
    )
    problem(client.post(BOOK, content=iter([b"{}"]), headers=JSON), 411, "http.length_required")
    problem(client.get(TABLES, headers={"Host": "evil.example"}), 400, "http.bad_request")


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"id": NaN}', b"nothing"])
def test_errors__an_unreadable_body__is_400(client: TestClient, body: bytes) -> None:
    problem(client.post(BOOK, content=body, headers=JSON), 400, "request.unreadable")


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b'{"id": 9223372036854775808}', b'{"name": "\\u0000"}'])
def test_errors__a_body_of_another_shape__is_422(client: TestClient, body: bytes) -> None:
    found = problem(client.post(BOOK, content=body, headers=JSON), 422, "request.invalid")

    assert found["errors"][0]["pointer"].startswith("#")


def test_errors__a_large_body__is_413(restaurant: Database) -> None:
    with served(restaurant, max_body_bytes=1024) as client:
        problem(client.post(BOOK, content=b" " * 1025, headers=JSON), 413, "http.too_large")


def test_errors__what_nobody_foresaw__is_500_without_its_cause(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ZeroDivisionError("SELECT secret")

    monkeypatch.setattr("bookwell.tables.api.view_tables.list_tables", fail)

    answer = client.get(TABLES)

    problem(answer, 500, "http.internal_error")
    assert "secret" not in answer.text


def test_errors__a_database_that_is_gone__is_503(tmp_path: Any) -> None:
    gone = TablesSettings(tables_url=SITE, tables_database_url=f"sqlite:///{tmp_path}/missing/tables.sqlite3")
    with TestClient(create_app(gone), base_url=SITE, raise_server_exceptions=False) as client:
        answer = client.get(TABLES)
        ready = client.get("/health/ready")

        problem(answer, 503, "database.unavailable")
        assert answer.headers["retry-after"] == "1"
        problem(ready, 503, "http.unavailable")
        assert client.get("/health").json()["state"] == "down"
        assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("path", [TABLES, BOOK, "/api/admin/view_active_bookings/", "/api/backoffice/orders"])
def test_paths__with_and_without_a_final_slash__are_the_same(client: TestClient, path: str) -> None:
    without = path.rstrip("/")

    first, second = client.get(without), client.get(f"{without}/")

    assert first.status_code == second.status_code != 404
    assert not first.is_redirect


def test_headers__of_every_answer(client: TestClient) -> None:
    sent = {"X-Request-ID": "mine-1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    answer = client.get(TABLES, headers=sent)

    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert answer.headers["traceparent"] != sent["traceparent"]
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["vary"] == "Accept, Authorization"
    assert "max-age" in answer.headers["strict-transport-security"]
    assert "access-control-allow-origin" not in answer.headers


def test_head__is_get_without_its_body(client: TestClient, restaurant: Database) -> None:
    a_table(restaurant)

    get, head = client.get(TABLES), client.head(TABLES)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["etag"] == get.headers["etag"]


@pytest.fixture
def counting(restaurant: Database) -> Iterator[TestClient]:
    with time_machine.travel(NOW), served(restaurant, address="192.0.2.7", rate_limit_per_minute=2) as client:
        yield client


def test_limits__used_up__are_429(counting: TestClient) -> None:
    first, _, third = (counting.get(TABLES) for _ in range(3))

    assert first.headers["ratelimit-policy"] == '"default";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"default";r=1;')
    problem(third, 429, "http.too_many_requests")
    assert int(third.headers["retry-after"]) > 0
    assert counting.get("/health/live").status_code == 200


def test_limits__behind_a_proxy__are_the_callers(restaurant: Database) -> None:
    with served(restaurant, address="10.0.0.1", rate_limit_per_minute=1, trusted_proxies=1) as client:
        answers = [client.get(TABLES, headers={"X-Forwarded-For": f"1.2.3.4, 192.0.2.{n}"}) for n in (1, 2, 1)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_limits__of_who_has_a_token__count_whatever_is_asked(counting: TestClient) -> None:
    token = bearer(counting.app.state.site)  # type: ignore[attr-defined]  # Starlette's application
    paths = ("/api/admin/view_active_bookings/", "/api/customer/booking/", "/api/admin/view_active_bookings/")

    board, page, third = (counting.get(path, headers=token) for path in paths)

    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in (board, page)] == [
        '"default";r=1',
        '"default";r=0',
    ]
    assert board.status_code == 200
    problem(third, 429, "http.too_many_requests")
    assert counting.get(TABLES).status_code == 200  # the address has a count of its own


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/admin/accept_booking/", {"Accept": "text/html"}, 406),
        ("/api/backoffice/decisions", {"webhook-id": "guess", "webhook-signature": "v1,guess"}, 401),
    ],
)
def test_limits__what_is_refused_at_once__counts_as_well(
    counting: TestClient, path: str, headers: dict[str, str], status: int
) -> None:
    token = bearer(counting.app.state.site)  # type: ignore[attr-defined]  # Starlette's application

    answers = [counting.post(path, json={}, headers=token | headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 429]


def test_operation__with_a_token_that_is_counted__runs_in_one_thread(
    counting: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = bearer(counting.app.state.site)  # type: ignore[attr-defined]  # Starlette's application
    given: list[Any] = []
    to_thread = asyncio.to_thread

    async def noted(function: Any, *arguments: Any) -> Any:
        given.append(function)
        return await to_thread(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", noted)

    assert counting.get("/api/admin/view_active_bookings/", headers=token).status_code == 200

    assert len(given) == 1


def test_metrics__count_by_route(client: TestClient) -> None:
    client.get(TABLES.rstrip("/"))

    shown = client.get("/metrics").text

    assert f'method="GET",route="{TABLES}",status="200"' in shown


def test_metrics__messages_wait__tell_how_many(restaurant: Database) -> None:
    an_order(restaurant, a_table(restaurant).id)
    an_order(restaurant, a_table(restaurant).id, email="", phone="+48601234567")

    with served(restaurant) as client:
        shown = client.get("/metrics").text

    waiting = dict(re.findall(r'^bookwell_outbox_waiting\{queue="([a-z]+)"\} ([0-9.]+)$', shown, re.MULTILINE))
    assert float(waiting["mail"]) > 0
    assert float(waiting["sms"]) > 0
    assert 'bookwell_outbox_oldest_undelivered_seconds{queue="webhook"}' in shown


def test_docs__need_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    script = client.get("/docs/files/js/swagger-ui-bundle.js")

    assert page.status_code == 200
    assert "//" not in page.text.replace("<!doctype html>", "")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert script.headers["cache-control"] == "public, max-age=86400"
    assert len(script.content) > 100_000
    assert client.get("/docs/start.js").headers["content-type"].startswith("text/javascript")
    problem(client.get("/docs/files/../../pyproject.toml"), 404, "http.not_found")
    problem(client.get("/docs/files/nothing.js"), 404, "http.not_found")


def test_docs__with_a_final_slash__lead_to_where_their_paths_are_right(client: TestClient) -> None:
    page = client.get("/docs/")

    paths = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(paths) == 3
    assert {client.get(str(page.url.join(path))).status_code for path in paths} == {200}


def test_reference__is_in_step_with_the_code() -> None:
    for name, content in reference_files().items():
        written = (REFERENCE / name).read_text(encoding="utf-8")
        assert written == content, f"run: python -m bookwell.tables.reference docs/api ({name})"


def test_document__is_what_the_service_answers(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    assert document == json.loads(reference_files()["tables.json"])
    assert document["openapi"].startswith("3.1")


def test_document__every_operation__tells_its_problems_as_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    responses = document["components"]["responses"]

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            problems = {status: each for status, each in operation["responses"].items() if int(status) >= 400}
            assert {"400", "406", "429", "500", "503"} <= problems.keys(), (method, path)
            assert all("$ref" in each for each in problems.values()), (method, path)
            assert ("security" in operation) == path.startswith(("/api/admin/", "/api/backoffice/orders")), path
    assert all("application/problem+json" in each["content"] for each in responses.values())


def test_document__names_of_operations__are_unique(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]

    assert len(names) == len(set(names))


def test_codes__each__has_one_status_and_one_title() -> None:
    meanings: dict[str, set[tuple[int, str]]] = {}
    domain_errors()
    for error in all_error_types():
        if error.__module__.startswith("bookwell."):
            meanings.setdefault(error.code, set()).add((status_of(error), error.title))

    assert {code: found for code, found in meanings.items() if len(found) > 1} == {}
    assert not meanings.keys() & {kind.code for kind in KINDS}

"""The HTTP conventions, shown on an API without a domain."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.contract.kit import toy_api

pytestmark = pytest.mark.urls("tests.contract.kit.toy_api")

GOOD = {"Authorization": "Bearer good"}
PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "trace_id", "retryable", "errors"}


@pytest.fixture
def client() -> Iterator[Client]:
    toy_api.made.clear()
    yield Client(raise_request_exception=False)
    toy_api.made.clear()


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(response.content)
    assert set(problem) == PROBLEM_FIELDS
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"].endswith(code)
    assert problem["trace_id"] == response["X-Request-ID"]
    assert response["Cache-Control"] == "no-store"
    return problem


def post(client: Client, body: bytes, content_type: str = "application/json", **headers: str) -> Any:
    return client.post("/api/things/", body, content_type=content_type, headers={**GOOD, **headers})


def test_post__a_good_body__is_served(client: Client) -> None:
    response = post(client, b'{"name": "chair"}')

    assert response.status_code == 201
    assert toy_api.made == ["chair"]


@pytest.mark.parametrize("path", ["/api/nothing/", "/nothing", "/api/things", "/api/things/abc/", "/api", "/"])
def test_path__is_unknown_or_lacks_its_slash__is_a_404_problem(client: Client, path: str) -> None:
    problem = problem_of(client.get(path), 404, "http.not_found")

    assert problem["instance"] == path


def test_instance__odd_characters__is_a_uri_reference(client: Client) -> None:
    problem = problem_of(client.get("/api/n%C3%B6%20x"), 404, "http.not_found")

    assert problem["instance"] == "/api/n%C3%B6%20x"


def test_method__is_not_served__is_405_with_allow(client: Client) -> None:
    response = client.delete("/api/things/")

    problem_of(response, 405, "http.method_not_allowed")
    assert {method.strip() for method in response["Allow"].split(",")} == {"GET", "POST"}


def test_head__is_get_without_a_body(client: Client) -> None:
    response = client.head("/api/things/")

    assert (response.status_code, response.content) == (200, b"")
    assert int(response["Content-Length"]) == len(client.get("/api/things/").content)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/*, application/json; q=0.0, */*"])
def test_accept__excludes_json__is_406(client: Client, accept: str) -> None:
    problem_of(client.get("/api/things/", headers={"Accept": accept}), 406, "http.not_acceptable")


@pytest.mark.parametrize("accept", ["", "*/*", "application/*;q=0.1", "text/html, */*;q=0.8", "Application/JSON"])
def test_accept__admits_json__is_served(client: Client, accept: str) -> None:
    assert client.get("/api/things/", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=latin-1"],
)
def test_content_type__is_not_json__is_415(client: Client, content_type: str) -> None:
    problem_of(post(client, b'{"name": "chair"}', content_type), 415, "http.unsupported_media_type")

    assert toy_api.made == []


@pytest.mark.parametrize(
    "body",
    [b"{", b"nope", b"\xff\xfe", b'{"name": NaN}', b'{"extra": -Infinity}', b"9" * 5000, b'\xef\xbb\xbf{"name": "a"}'],
)
def test_body__is_not_json__is_400(client: Client, body: bytes) -> None:
    problem_of(post(client, body), 400, "request.unreadable")

    assert toy_api.made == []


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", "missing", "#"),
        (b"null", "model_attributes_type", "#"),
        (b"{}", "missing", "#/name"),
        (b'{"name": "a", "surname": 1}', "extra_forbidden", "#/surname"),
        (b'{"name": "a", "a/b~c": 1}', "extra_forbidden", "#/a~1b~0c"),
        (b'{"name": "a", "sizes": [{"width": 1}, {"width": 101}]}', "less_than_equal", "#/sizes/1/width"),
        (b'{"name": "a\\u0000"}', "nul_character", "#/name"),
        (b'{"name": "\\ud800"}', "surrogate", "#/name"),
        (b'{"name": "a", "extra": {"x": [9223372036854775808]}}', "number_too_large", "#/extra/x/0"),
        (b'{"name": "a", "extra": 1e999}', "number_too_large", "#/extra"),
    ],
)
def test_body__breaks_the_schema__is_422_with_a_pointer(client: Client, body: bytes, code: str, pointer: str) -> None:
    problem = problem_of(post(client, body), 422, "request.invalid")

    assert [(error["code"], error["pointer"]) for error in problem["errors"]] == [(code, pointer)]
    assert toy_api.made == []


@pytest.mark.parametrize("depth", [32, 100_000])
def test_body__is_too_deep__is_422(client: Client, depth: int) -> None:
    body = b'{"name": "a", "extra": ' + b"[" * depth + b"]" * depth + b"}"

    problem = problem_of(post(client, body), 422, "request.invalid")

    assert problem["errors"][0]["code"] == "too_deep"


def test_body__of_the_allowed_depth__is_served(client: Client) -> None:
    body = b'{"name": "a", "extra": ' + b"[" * 31 + b"]" * 31 + b"}"

    assert post(client, body).status_code == 201


def test_body__is_too_large__is_413(client: Client) -> None:
    problem_of(post(client, b" " * 1_048_577), 413, "http.too_large")


def test_body__without_a_length__is_411(client: Client) -> None:
    response = client.post(
        "/api/things/",
        b'{"name": "chair"}',
        content_type="application/json",
        headers={**GOOD, "Transfer-Encoding": "chunked"},
        CONTENT_LENGTH="",
    )

    problem_of(response, 411, "http.length_required")


def test_body__is_too_large_where_none_is_read__is_413(client: Client) -> None:
    problem_of(client.generic("GET", "/api/things/", b" " * 1_048_577), 413, "http.too_large")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=abc", "limit=9223372036854775808"])
def test_query__breaks_the_schema__is_422_with_the_parameter(client: Client, query: str) -> None:
    problem = problem_of(client.get(f"/api/things/?{query}"), 422, "request.invalid")

    assert [error["parameter"] for error in problem["errors"]] == ["limit"]


def test_query__holds_nul__is_422(client: Client) -> None:
    problem = problem_of(client.get("/api/things/?q=a%00b"), 422, "request.invalid")

    assert problem["errors"][0]["parameter"] == "q"


@pytest.mark.parametrize("number", [2**63, 10**30])
def test_path__number_beyond_any_column__is_404(client: Client, number: int) -> None:
    problem_of(client.get(f"/api/things/{number}/"), 404, "http.not_found")


def test_path__nul__is_404(client: Client) -> None:
    problem_of(client.get("/api/fail/%00/"), 404, "http.not_found")


@pytest.mark.parametrize(
    ("header", "challenge"), [({}, "Bearer"), ({"Authorization": "Bearer bad"}, 'Bearer error="invalid_token"')]
)
def test_token__missing_or_bad__is_401(client: Client, header: dict[str, str], challenge: str) -> None:
    response = client.post("/api/things/", b"{", content_type="application/json", headers=header)

    problem_of(response, 401, "auth.required")
    assert response["WWW-Authenticate"] == challenge


def test_domain_error__is_told_with_its_code(client: Client) -> None:
    problem = problem_of(client.get("/api/fail/conflict/"), 409, "thing.taken")

    assert (problem["title"], problem["detail"]) == ("The thing is taken", "Somebody has it")
    assert problem["retryable"] is False


@pytest.mark.parametrize(
    ("kind", "code"),
    [("overloaded", "thing.overloaded"), ("database", "database.unavailable"), ("busy", "database.busy")],
)
def test_unavailable__says_when_to_come_back(client: Client, kind: str, code: str) -> None:
    response = client.get(f"/api/fail/{kind}/")

    problem = problem_of(response, 503, code)
    assert response["Retry-After"] == "1"
    assert problem["retryable"] is True
    assert "10.0.0.1" not in response.content.decode()


@pytest.mark.parametrize("kind", ["bug", "migration"])
def test_bug__tells_nothing_of_its_cause(client: Client, kind: str) -> None:
    problem = problem_of(client.get(f"/api/fail/{kind}/"), 500, "http.internal_error")

    assert "secret" not in json.dumps(problem)


def test_host__is_foreign__is_400(client: Client) -> None:
    problem_of(client.get("/api/things/", headers={"Host": "evil.example"}), 400, "http.bad_request")


def test_request_id__well_formed__is_kept(client: Client) -> None:
    assert client.get("/api/things/", headers={"X-Request-ID": "desk-7.a_B"})["X-Request-ID"] == "desk-7.a_B"


@pytest.mark.parametrize("sent", ["", "a b", "ä", "x" * 65, "a\tb"])
def test_request_id__ill_formed__is_replaced(client: Client, sent: str) -> None:
    answered = client.get("/api/things/", headers={"X-Request-ID": sent})["X-Request-ID"]

    assert answered != sent
    assert re.fullmatch(r"[0-9a-f]{32}", answered)


def test_traceparent__valid__stays_in_the_trace(client: Client) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

    answered = client.get("/api/things/", headers={"traceparent": f"00-{trace}-{span}-00"})["traceparent"]

    assert re.fullmatch(rf"00-{trace}-[0-9a-f]{{16}}-00", answered)
    assert span not in answered


def test_headers__stand_on_every_answer(client: Client) -> None:
    for response in (client.get("/api/things/"), client.get("/api/nothing/"), client.get("/health/live")):
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response["Referrer-Policy"] == "no-referrer"
        assert response["Cache-Control"] == "no-store"
        assert response["Vary"] == "Accept, Authorization"
        assert "Strict-Transport-Security" not in response
        assert "Access-Control-Allow-Origin" not in response


def test_hsts__behind_tls__is_sent(client: Client) -> None:
    assert client.get("/api/things/", secure=True)["Strict-Transport-Security"].startswith("max-age=")


def test_openapi__lists_the_problems_of_each_operation(client: Client) -> None:
    document = client.get("/api/openapi.json").json()

    responses = {
        (path, method): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    always = {"400", "406", "429", "500", "503"}
    assert document["openapi"].startswith("3.1")
    assert responses["/api/things/", "get"] == {"200", "422"} | always
    assert responses["/api/things/", "post"] == {"201", "401", "403", "404", "409", "411", "413", "415", "422"} | always
    assert responses["/api/things/{thing_id}/", "get"] == {"200", "404", "422"} | always
    assert document["paths"]["/api/things/"]["post"]["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    names = [parameter["name"] for parameter in document["paths"]["/api/things/"]["post"]["parameters"]]
    assert names == ["Idempotency-Key"]

"""What holds for every answer: problems, headers, limits, the documents."""

import re
from pathlib import Path
from typing import Any

import pytest

from bookwell.kit.errors import all_error_types
from bookwell.kit.problems import status_of
from tests.fake_partners import ISBN, in_world, token


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "http.not_found"),
        ("GET", "/status/99", 404, "book.not_found"),
        ("GET", "/status/0", 404, "http.not_found"),
        ("GET", f"/status/{2**63}", 404, "http.not_found"),
        ("GET", f"/status/{'9' * 5000}", 404, "http.not_found"),
        ("GET", "/status/-1", 404, "http.not_found"),
        ("GET", "/status/one", 404, "http.not_found"),
        ("GET", "/status/%00", 404, "http.not_found"),
        ("GET", "/books/9780261103574/availability", 422, "isbn.invalid"),
        ("GET", f"/books/{'9' * 33}/availability", 422, "isbn.invalid"),
        ("GET", "/books/1/availability", 422, "isbn.invalid"),
        ("GET", "/books/x%00xxxxxxxxxx/availability", 422, "isbn.invalid"),
        ("GET", "/books/%FF%FExxxxxxxxxx/availability", 422, "isbn.invalid"),
        ("POST", "/status/1", 405, "http.method_not_allowed"),
        ("GET", "/reserve", 405, "http.method_not_allowed"),
    ],
)
def test_refusals__are_problem_documents(method: str, path: str, status: int, code: str) -> None:
    with in_world() as world:
        refused = world.client.open(path, method=method, headers={"X-Request-ID": "r-9"})

    assert (refused.status_code, refused.content_type) == (status, "application/problem+json")
    assert refused.json is not None
    assert (refused.json["code"], refused.json["status"], refused.json["trace_id"]) == (code, status, "r-9")


def test_refusals__json_is_not_accepted__is_406() -> None:
    with in_world() as world:
        refused = world.client.get("/status/1", headers={"Accept": "text/html"})

    assert (refused.status_code, refused.content_type) == (406, "application/problem+json")


def test_refusals__another_host__is_400() -> None:
    with in_world() as world:
        assert world.client.get("/status/1", headers={"Host": "evil.example"}).status_code == 400


def test_refusals__a_fault_of_ours__says_nothing_of_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    with in_world() as world:
        monkeypatch.setattr(world.gateway, "availability_of_book", lambda _: 1 / 0)
        refused = world.client.get("/status/1")

    assert refused.json is not None
    assert (refused.status_code, refused.json["code"]) == (500, "http.internal_error")
    assert "division" not in refused.text


def test_answers__carry_the_conventions_headers() -> None:
    with in_world() as world:
        answer = world.client.get("/status/1", headers={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})

    assert re.fullmatch(f"00-{'a' * 32}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_limits__more_than_allowed__are_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookwell.kit.limits._BATCHES", 1)
    with in_world(rate_limit_per_minute=3) as world:
        headers = {"X-Forwarded-For": "198.51.100.7"}
        far = {"REMOTE_ADDR": "203.0.113.5"}
        answers = [world.client.get("/status/1", headers=headers, environ_base=far) for _ in range(5)]
        reader = world.client.get("/status/1", headers=token(sub="5", roles=["reader"]), environ_base=far)
        service = token(sub="library", roles=["service"])
        library = [world.client.get("/status/1", headers=service, environ_base=far).status_code for _ in range(5)]
        health = world.client.get("/health/live", environ_base=far)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert int(answers[4].headers["Retry-After"]) <= 60
    assert answers[0].headers["RateLimit"].startswith('"default";r=2;')
    assert (reader.status_code, health.status_code, set(library)) == (200, 200, {200})


def test_limits__behind_a_proxy__count_the_callers_address() -> None:
    with in_world(rate_limit_per_minute=2, trusted_proxies=1) as world:

        def ask(caller: str) -> int:
            headers = {"X-Forwarded-For": f"6.6.6.6, {caller}"}
            return world.client.get("/status/1", headers=headers).status_code

        statuses = [ask("198.51.100.1"), ask("198.51.100.1"), ask("198.51.100.1"), ask("198.51.100.2")]

    assert statuses == [200, 200, 429, 200]


def test_docs__swagger_ui__comes_from_this_service_under_a_strict_policy() -> None:
    with in_world() as world:
        page = world.client.get("/docs")
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        files = {link: world.client.get(f"/{link}", buffered=True) for link in links}

    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert not any("//" in link for link in links)
    assert {link: (file.status_code, len(file.data) > 50) for link, file in files.items()} == dict.fromkeys(
        links, (200, True)
    )
    assert world.client.get("/docs/files/../../../__init__.py").status_code == 404


def test_document__is_openapi_3_1_and_names_what_there_is() -> None:
    with in_world() as world:
        document: Any = world.client.get("/openapi.json").json

    operations = {f"{method} {path}" for path, methods in document["paths"].items() for method in methods}
    assert document["openapi"] == "3.1.0"
    assert operations == {
        "get /status/{book_id}",
        "get /books/{isbn}/availability",
        "post /reserve",
        "post /partners/{name}/reservations",
        "get /partners/{name}/reservations/{ref}",
        "delete /partners/{name}/reservations/{ref}",
        "get /partners",
    }


def test_metrics__calls_of_partners__are_counted() -> None:
    with in_world() as world:
        world.client.get(f"/books/{ISBN}/availability")
        metrics = world.client.get("/metrics").text

    assert 'bookwell_partner_call_seconds_count{outcome="ok",partner="library 2"}' in metrics
    assert 'route="/books/<isbn>/availability"' in metrics


def test_startup__importing_the_module__reads_no_settings() -> None:
    import bookwell.partners.app as module  # noqa: PLC0415 -- the point

    with pytest.raises(AttributeError):
        _ = module.nothing


def test_codes__of_this_service__are_all_in_its_documentation() -> None:
    told = (Path(__file__).parents[3] / "docs" / "partners.md").read_text(encoding="utf-8")
    ours = [error for error in all_error_types() if error.__module__.startswith("bookwell.partners.")]

    assert len(ours) >= 7
    for error in ours:
        assert f"| `{error.code}` | {status_of(error)} |" in told

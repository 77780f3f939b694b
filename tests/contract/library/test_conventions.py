"""What holds for the library's API as a whole: older paths, idempotency keys, its document and reference."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from bookwell.kit.errors import all_error_types
from bookwell.kit.http_errors import KINDS
from bookwell.kit.problems import status_of
from bookwell.library.api.app import api
from bookwell.library.api.reference import domain_errors, reference_files
from bookwell.library.circulation.models import Reservation
from bookwell.library.network.models import Closure
from tests.contract.library.world import World
from tests.factories import unique

REFERENCE = Path(__file__).parents[3] / "docs" / "api"


def reserve(
    world: World, path: str = "/api/reservations/", *, book_id: int = 0, key: str | None = None, person: str = "other"
) -> Any:
    body = {"book_id": book_id or world.unborrowed_book.pk}
    headers = world.headers(person) | ({} if key is None else {"Idempotency-Key": key})
    return Client().post(path, body, content_type="application/json", headers=headers)


def same(first: Any, second: Any) -> bool:
    return (first.status_code, first.content) == (second.status_code, second.content)


@pytest.mark.parametrize(
    ("older", "canonical"),
    [
        ("/books", "/api/books/"),
        ("/books/{book}", "/api/books/{book}/"),
        ("/reservations", "/api/reservations/"),
        ("/reservations/{reservation}", "/api/reservations/{reservation}/"),
        ("/users", "/api/users/"),
        ("/users/{user}", "/api/users/{user}/"),
    ],
)
def test_older_path__reads__answers_like_the_canonical_one(older: str, canonical: str, world: World) -> None:
    ids = {"book": world.book.pk, "reservation": world.waiting.pk, "user": world.reader.pk}
    headers = world.headers("admin")
    expected = Client().get(canonical.format(**ids), headers=headers)

    for path in (older.format(**ids), older.format(**ids) + "/"):
        assert same(Client().get(path, headers=headers), expected)

    assert expected.status_code == 200


@pytest.mark.parametrize("path", ["/reserve", "/reserve/", "/reservations", "/reservations/"])
def test_older_path__reserves(path: str, world: World) -> None:
    assert reserve(world, path).status_code == 201


@pytest.mark.parametrize("path", ["/register", "/register/"])
def test_older_path__registers(path: str, world: World) -> None:
    name = unique("new")
    body = {"username": name, "email": f"{name}@example.org", "password": "correct-horse-battery-7"}

    assert Client().post(path, body, content_type="application/json").status_code == 201


@pytest.mark.parametrize("path", ["/login", "/login/"])
def test_older_path__refuses_a_wrong_password_with_the_path_as_sent(path: str, world: World) -> None:
    body = {"username": unique("nobody"), "password": "wrong"}

    response = Client().post(path, body, content_type="application/json")

    assert (response.status_code, response.json()["instance"]) == (401, path)


@pytest.mark.parametrize("path", ["/api/books", "/api/reservations", "/api/login", "/books/1/copies/"])
def test_path__without_its_slash_or_of_no_contract__is_404_and_no_redirect(path: str) -> None:
    response = Client().get(path)

    assert (response.status_code, response.json()["code"]) == (404, "http.not_found")


def test_idempotency_key__same_request__gets_the_first_answer_quoted_or_bare(world: World) -> None:
    key = unique("key")

    answers = [reserve(world, key=sent) for sent in (key, f'"{key}"', key)]

    assert [answer.status_code for answer in answers] == [201] * 3
    assert all(same(answer, answers[0]) for answer in answers)
    assert answers[0]["Location"] == answers[1]["Location"]
    assert Reservation.objects.filter(reader=world.other).count() == 1


def test_idempotency_key__older_path_of_the_same_operation__is_the_same_request(world: World) -> None:
    key = unique("key")
    first = reserve(world, "/api/reservations/reserve/", key=key)

    assert same(reserve(world, "/reserve", key=key), first)
    assert Reservation.objects.filter(reader=world.other).count() == 1


def test_idempotency_key__refusal__is_replayed(world: World) -> None:
    key = unique("key")
    first = reserve(world, book_id=987654321, key=key)

    assert (first.status_code, first["Content-Type"]) == (404, "application/problem+json")
    assert same(reserve(world, book_id=987654321, key=key), first)


def test_idempotency_key__other_request__is_422(world: World) -> None:
    key = unique("key")
    reserve(world, key=key)

    response = reserve(world, book_id=world.book.pk, key=key)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency.key_reused")
    assert Reservation.objects.filter(reader=world.other).count() == 1


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 201, '"open', "tab\there"])
def test_idempotency_key__no_key__is_422(key: str, world: World) -> None:
    response = reserve(world, key=key)

    assert (response.status_code, response.json()["code"]) == (422, "idempotency.key_invalid")
    assert not Reservation.objects.filter(reader=world.other).exists()


def test_idempotency_key__of_another_caller__is_another_key(world: World) -> None:
    key = unique("key")
    reserve(world, key=key)

    response = reserve(world, key=key, person="librarian")

    assert response.status_code == 201
    assert response.json()["reader_id"] == world.librarian.pk


@pytest.mark.parametrize(
    "day", [86400, "86400", 2.5, True, "2040-05-01T00:00:00", "2040-5-1", "20400501", "2040-02-30"]
)
def test_date__not_written_out__is_422(day: Any, world: World) -> None:
    body = {"branch": world.branch.code, "closed_on": day}
    headers, closures = world.headers("admin"), Closure.objects.count()

    made = Client().post("/api/closures/", body, content_type="application/json", headers=headers)
    path = f"/api/closures/{world.closure.pk}/"
    moved = Client().patch(path, {"closed_on": day}, content_type="application/json", headers=headers)

    assert (made.status_code, moved.status_code) == (422, 422)
    assert Closure.objects.count() == closures
    assert Client().get(path).json()["closed_on"] == "2040-01-01"


def test_wrong_role__body_is_wrong_too__is_403(world: World) -> None:
    response = Client().post("/api/books/", b"{", content_type="application/json", headers=world.headers("reader"))

    assert (response.status_code, response.json()["code"]) == (403, "auth.role_forbidden")


def test_document__every_whole_number_that_is_sent__has_bounds() -> None:
    """Nothing that a database cannot hold passes the schema."""
    document = json.loads(json.dumps(api.get_openapi_schema()))
    schemas = document["components"]["schemas"]

    def unbounded(schema: Any, place: str) -> list[str]:
        if isinstance(schema, list):
            return [name for item in schema for name in unbounded(item, place)]
        if not isinstance(schema, dict):
            return []
        if "$ref" in schema:
            return unbounded(schemas[schema["$ref"].rsplit("/", 1)[1]], place)
        if schema.get("type") == "integer" and not {"maximum", "exclusiveMaximum", "enum"} & schema.keys():
            return [place]
        return [name for key, value in schema.items() for name in unbounded(value, f"{place}/{key}")]

    sent = {
        f"{method} {path}": [operation["parameters"], operation.get("requestBody", {}).get("content")]
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert [name for label, parts in sent.items() for name in unbounded(parts, label)] == []


def test_document__body_that_changes_what_is_sent__has_no_defaults() -> None:
    """A client that fills them in would change what its user has not touched."""
    document = json.loads(json.dumps(api.get_openapi_schema()))
    schemas = document["components"]["schemas"]
    bodies = [methods["patch"]["requestBody"] for methods in document["paths"].values() if "patch" in methods]
    names = {body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1] for body in bodies}
    names |= {name for name in schemas if name.startswith("Change")} | {"ReplaceUser"}

    assert len(names) >= 8
    assert {name: found for name in names if (found := sorted(_with_default(schemas[name])))} == {}


def _with_default(schema: dict[str, Any]) -> set[str]:
    return {name for name, content in schema["properties"].items() if "default" in content}


def test_document__operation_ids__are_unique() -> None:
    document = api.get_openapi_schema()
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]

    assert len(names) == len(set(names))


def test_codes__each__has_one_status_and_one_title() -> None:
    domain_errors()
    meanings: dict[str, set[tuple[int, str]]] = {}
    for error in all_error_types():
        if error.__module__.startswith("bookwell."):
            meanings.setdefault(error.code, set()).add((status_of(error), error.title))

    assert {code: found for code, found in meanings.items() if len(found) > 1} == {}
    assert not meanings.keys() & {kind.code for kind in KINDS}


def test_reference__is_in_step_with_the_code() -> None:
    for name, content in reference_files().items():
        written = (REFERENCE / name).read_text(encoding="utf-8")
        assert written == content, f"run: python -m bookwell.library.api.reference docs/api ({name})"

"""Books over HTTP: shapes, pages, conditional requests, refusals."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookwell.library.audit.models import AuditEntry
from bookwell.library.catalog.models import YEAR_UNKNOWN, Book
from tests.contract.library.world import World

_BODY = {"title": "Solaris", "authors": ["Stanisław Lem"], "isbn": "83-08-04905-2", "year": 1961, "language": "pol"}


def send(
    method: str, path: str, world: World, body: Any = None, person: str | None = "librarian", **headers: str
) -> Any:
    headers = world.headers(person) | headers
    return Client().generic(
        method, path, content_type="application/json", headers=headers, data="" if body is None else json.dumps(body)
    )


def create(world: World, **fields: Any) -> Any:
    return send("POST", "/api/books/", world, _BODY | fields)


def test_create__whole_book__is_shown_as_it_is_kept(world: World) -> None:
    response = create(world, subjects=["Science fiction"], description="An ocean\nthat thinks")

    assert response.status_code == 201
    book = response.json()
    assert response["Location"] == f"/api/books/{book['id']}/"
    assert book == {
        "id": book["id"],
        "isbn": "9788308049051",
        "title": "Solaris",
        "authors": ["Stanisław Lem"],
        "publisher": "",
        "year": 1961,
        "language": "pl",
        "subjects": ["Science fiction"],
        "description": "An ocean\nthat thinks",
        "copies_total": 0,
        "copies_available": 0,
        "queue_length": 0,
    }
    assert send("GET", response["Location"], world, person=None).json() == book
    assert AuditEntry.objects.filter(action="book.created", object_id=book["id"]).exists()


@pytest.mark.parametrize(("field", "longest"), [("title", 500), ("publisher", 200)])
def test_create__text_that_is_too_long_as_it_is_kept__is_422(field: str, longest: int, world: World) -> None:
    letter = "\u095c"  # is kept as two

    response = create(world, **{field: letter * (longest - 1)})

    [error] = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, f"#/{field}")
    assert (error["code"], error["detail"]) == ("string_too_long", f"String should have at most {longest} characters")


def test_list__an_order_that_there_is_not__names_the_parameter_once(world: World) -> None:
    response = send("GET", "/api/books/?ordering=nonsense", world)

    [error] = response.json()["errors"]
    assert (response.status_code, error["parameter"]) == (422, "ordering")


def test_place__a_date_for_an_instant__is_told_without_the_name_of_an_exception(world: World) -> None:
    response = send("POST", "/api/reservations/", world, {"book_id": 1, "reserved_until": "2030-01-01"})

    [error] = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, "#/reserved_until")
    assert error["detail"].startswith("An instant is written as in RFC 3339")


def test_create__isbn_of_another_book__is_refused(world: World) -> None:
    create(world)
    before = Book.objects.count()

    response = create(world, title="Solaris again", isbn="9788308049051")

    assert (response.status_code, response.json()["code"]) == (409, "book.isbn_taken")
    assert Book.objects.count() == before


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"isbn": "83-08-04905-3"}, "book.isbn_invalid"),
        ({"language": "klingon"}, "book.language_invalid"),
        ({"title": "  "}, "book.title_missing"),
    ],
)
def test_create__rule_about_its_content__is_refused(fields: dict[str, Any], code: str, world: World) -> None:
    response = create(world, **fields)

    assert (response.status_code, response.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "fields", [{"title": ""}, {"title": None}, {"authors": "Lem"}, {"year": 2**40}, {"shelf": "A"}, {"isbn": "1" * 50}]
)
def test_create__body_breaks_the_schema__is_refused(fields: dict[str, Any], world: World) -> None:
    assert create(world, **fields).status_code == 422


def test_change__one_field__counts_the_version_up_once(world: World) -> None:
    book_id = create(world).json()["id"]

    first = send("PATCH", f"/api/books/{book_id}/", world, {"publisher": "MON"})
    again = send("PATCH", f"/api/books/{book_id}/", world, {"publisher": "MON"})

    assert first.json() == again.json()
    assert first.json()["publisher"] == "MON"
    assert first.json()["isbn"] == "9788308049051"
    assert Book.objects.get(pk=book_id).version == 2


def test_replace__fields_left_out__are_emptied(world: World) -> None:
    book_id = create(world).json()["id"]

    response = send("PUT", f"/api/books/{book_id}/", world, {"title": "Solaris", "authors": []})

    assert response.status_code == 200
    assert (response.json()["isbn"], response.json()["year"], response.json()["authors"]) == (None, None, [])


def test_delete__without_copies__frees_the_isbn(world: World) -> None:
    book_id = create(world).json()["id"]

    response = send("DELETE", f"/api/books/{book_id}/", world)

    assert (response.status_code, response.content) == (204, b"")
    assert send("GET", f"/api/books/{book_id}/", world).status_code == 404
    assert send("PATCH", f"/api/books/{book_id}/", world, {"title": "x"}).status_code == 404
    assert send("DELETE", f"/api/books/{book_id}/", world).status_code == 404
    assert create(world).status_code == 201


def test_delete__book_with_copies__is_refused(world: World) -> None:
    response = send("DELETE", f"/api/books/{world.copy.book_id}/", world)

    assert (response.status_code, response.json()["code"]) == (409, "book.has_copies")
    assert Book.objects.get(pk=world.copy.book_id).withdrawn_at is None


def test_get__unchanged__is_304_and_changes_with_the_counters(world: World) -> None:
    path = f"/api/books/{world.unborrowed_book.pk}/"
    first = send("GET", path, world, person=None)

    same = send("GET", path, world, person=None, **{"If-None-Match": f'"x", W/{first["ETag"]}'})
    send("POST", "/api/reservations/", world, {"book_id": world.unborrowed_book.pk}, person="other")
    changed = send("GET", path, world, person=None, **{"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == "public, no-cache"
    assert "Authorization" in first["Vary"]
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    for name in ("Content-Type", "Content-Security-Policy", "Cache-Control", "Vary"):
        assert same[name] == first[name]  # a cache puts them in the place of those it has
    assert changed.status_code == 200
    assert changed.json()["copies_available"] == first.json()["copies_available"] - 1


def test_get__with_a_token__tells_what_the_reader_can_do(world: World) -> None:
    path = f"/api/books/{world.unborrowed_book.pk}/"
    before = send("GET", path, world, person="other")

    send("POST", "/api/reservations/", world, {"book_id": world.unborrowed_book.pk}, person="other")
    after = send("GET", path, world, person="other")

    assert before.json()["for_you"]["can_reserve"] is True
    assert after.json()["for_you"]["refusal_code"] == "reservation.exists"
    assert before["Cache-Control"] == "private, no-cache"
    assert "for_you" not in send("GET", path, world, person=None).json()


@pytest.mark.parametrize(
    ("path", "person", "most"), [("", None, 1), ("", "other", 2), ("{id}/", None, 1), ("{id}/", "other", 5)]
)
def test_reads__take_few_statements(path: str, person: str | None, most: int, world: World) -> None:
    """Where a branch has a policy of its own, as here, what a reader can do takes two more than elsewhere."""
    url = f"/api/books/{path.format(id=world.book.pk)}"
    send("GET", url, world, person=person)

    with CaptureQueriesContext(connection) as statements:
        response = send("GET", url, world, person=person)

    assert response.status_code == 200
    asked = [statement for statement in statements if "cache" not in statement["sql"].lower()]
    assert len(asked) <= most


@pytest.mark.parametrize(
    "ordering", ["", "id", "newest", "title", "-title", "year", "-year", "popularity", "relevance"]
)
def test_list__page_by_page__sees_every_book_once_there_and_back(ordering: str, world: World) -> None:
    for number in range(3):
        create(world, title=f"Same {number % 2}", isbn=None, year=[None, 1999, 1999][number])
    whole = [book["id"] for book in send("GET", f"/api/books/?limit=200&ordering={ordering}", world).json()["items"]]

    pages = [send("GET", f"/api/books/?limit=2&ordering={ordering}", world).json()]
    while pages[-1]["next"]:
        pages.append(send("GET", pages[-1]["next"], world).json())
    back = [pages[-1]]
    while back[-1]["previous"]:
        back.append(send("GET", back[-1]["previous"], world).json())

    assert [book["id"] for page in pages for book in page["items"]] == whole
    assert [book["id"] for page in reversed(back) for book in page["items"]] == whole


def test_list__filters__narrow(world: World) -> None:
    book_id = create(world).json()["id"]
    before = {"language": "pl", "year": "1961", "available": "false"}

    for name, value in before.items():
        found = [book["id"] for book in send("GET", f"/api/books/?{name}={value}&limit=200", world).json()["items"]]
        assert book_id in found
    for query in ("available=true", f"branch={world.branch.code}", "language=en", "year=1962"):
        found = [book["id"] for book in send("GET", f"/api/books/?{query}&limit=200", world).json()["items"]]
        assert book_id not in found
    at_branch = send("GET", f"/api/books/?branch={world.branch.code}&limit=200", world).json()["items"]
    assert at_branch
    free = send("GET", f"/api/books/?branch={world.branch.code}&available=true&limit=200", world).json()["items"]
    taken = send("GET", f"/api/books/?branch={world.branch.code}&available=false&limit=200", world).json()["items"]
    assert sorted(book["id"] for book in free + taken) == sorted(book["id"] for book in at_branch)


def test_list__year_that_stands_for_none__is_refused(world: World) -> None:
    assert send("GET", "/api/books/?year=-32767", world).status_code == 200

    response = send("GET", f"/api/books/?year={YEAR_UNKNOWN}", world)

    assert (response.status_code, response.json()["code"]) == (422, "request.invalid")


def test_list__cursor_of_another_list__is_refused(world: World) -> None:
    cursor = send("GET", "/api/books/?limit=1", world).json()["next"].rpartition("cursor=")[2]

    response = send("GET", f"/api/books/?limit=1&ordering=title&cursor={cursor}", world)

    assert (response.status_code, response.json()["code"]) == (422, "page.cursor_invalid")


def test_list__limit_over_the_cap__is_capped(world: World) -> None:
    page = send("GET", "/api/books/?limit=1000", world).json()

    assert page["next"] is None
    assert page["items"]

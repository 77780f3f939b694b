"""Who may do what: every operation of the OpenAPI document with every role, against a table written by hand.

The table is the specification's; an operation that is missing here fails. `reader` owns what the operations are
tried on, `other` is a reader who does not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.test import Client

from bookwell.library.accounts.reset_links import reset_url_of
from bookwell.library.api.app import api
from tests.contract.library.world import World, refresh_token_of, token_of_client
from tests.factories import unique

Body = dict[str, Any] | Callable[[World], dict[str, Any]]

PEOPLE = (None, "reader", "other", "librarian", "admin")
EVERYONE = (200, 200, 200, 200, 200)
ANY_READER = (401, 200, 200, 200, 200)
OWNER_OR_STAFF = (401, 200, 404, 200, 200)
STAFF = (401, 403, 403, 200, 200)
STAFF_MAKES = (401, 403, 403, 201, 201)
STAFF_REMOVES = (401, 403, 403, 204, 204)
ADMIN = (401, 403, 403, 403, 200)
ADMIN_MAKES = (401, 403, 403, 403, 201)
ADMIN_REMOVES = (401, 403, 403, 403, 204)


@dataclass(frozen=True)
class Call:
    """One operation: what to send, and the status for each of `PEOPLE`."""

    expected: tuple[int, int, int, int, int]
    target: Callable[[World], Any] | None = None
    body: Body | None = None


def a_reservation(world: World) -> dict[str, Any]:
    return {"book_id": world.unborrowed_book.pk}


def a_book(_world: World) -> dict[str, Any]:
    return {"title": "Solaris", "authors": ["Stanisław Lem"]}


def a_branch(_world: World) -> dict[str, Any]:
    return {"code": unique("b")[-20:], "name": unique("Branch")}


def a_closure(world: World) -> dict[str, Any]:
    return {"branch": world.branch.code, "closed_on": "2041-05-01"}


def a_policy(world: World) -> dict[str, Any]:
    return {"category": world.policy.category_id, "branch": world.branch.code}


def a_user(_world: World) -> dict[str, Any]:
    name = unique("new")
    return {"username": name, "email": f"{name}@example.org", "password": "correct-horse-battery-7"}


def the_reader(world: World) -> dict[str, Any]:
    return {"username": world.reader.username, "email": world.reader.email}


def credentials(world: World) -> dict[str, Any]:
    world.reader.password = make_password("correct-horse-battery-7")
    world.reader.save()
    return {"username": world.reader.username, "password": "correct-horse-battery-7"}


def a_refresh_token(world: World) -> dict[str, Any]:
    return {"refresh": refresh_token_of(world.reader)}


def a_new_password(world: World) -> dict[str, Any]:
    world.reader.confirmed_email = world.reader.email
    world.reader.save()
    token = reset_url_of(world.reader).partition("?token=")[2]
    return {"token": token, "password": "correct-horse-battery-8"}


TABLE: dict[str, Call] = {
    "POST /api/register/": Call((201, 201, 201, 201, 201), body=a_user),
    "POST /api/login/": Call(EVERYONE, body=credentials),
    "POST /api/token/": Call(EVERYONE, body=credentials),
    "POST /api/token/refresh/": Call(EVERYONE, body=a_refresh_token),
    "POST /api/password/reset/": Call((202, 202, 202, 202, 202), body=lambda world: {"email": world.reader.email}),
    "POST /api/password/": Call((204, 204, 204, 204, 204), body=a_new_password),
    "POST /api/logout/": Call((204, 204, 204, 204, 204), body=a_refresh_token),
    "GET /api/me/": Call(ANY_READER),
    "PATCH /api/me/": Call(ANY_READER, body={"language": "pl"}),
    "GET /api/users/": Call(ADMIN),
    "POST /api/users/": Call(ADMIN_MAKES, body=a_user),
    "GET /api/users/{user_id}/": Call((401, 200, 404, 404, 200), lambda world: world.reader.pk),
    "PATCH /api/users/{user_id}/": Call((401, 200, 404, 404, 200), lambda world: world.reader.pk, {"language": "pl"}),
    "PUT /api/users/{user_id}/": Call((401, 200, 404, 404, 200), lambda world: world.reader.pk, the_reader),
    "DELETE /api/users/{user_id}/": Call((401, 409, 404, 404, 409), lambda world: world.reader.pk),  # open loans
    "GET /api/books/": Call(EVERYONE),
    "POST /api/books/": Call(STAFF_MAKES, body=a_book),
    "GET /api/books/{book_id}/": Call(EVERYONE, lambda world: world.book.pk),
    "PUT /api/books/{book_id}/": Call(STAFF, lambda world: world.book.pk, a_book),
    "PATCH /api/books/{book_id}/": Call(STAFF, lambda world: world.book.pk, {"title": "Fiasco"}),
    "DELETE /api/books/{book_id}/": Call(STAFF_REMOVES, lambda world: world.bare_book.pk),
    "GET /api/books/{book_id}/availability/": Call(ANY_READER, lambda world: world.book.pk),
    "GET /api/books/{book_id}/copies/": Call(STAFF, lambda world: world.book.pk),
    "POST /api/books/{book_id}/copies/": Call(
        STAFF_MAKES,
        lambda world: world.book.pk,
        lambda world: {"barcode": unique("copy"), "branch": world.branch.code},
    ),
    "GET /api/copies/{barcode}/": Call(STAFF, lambda world: world.copy.barcode),
    "PATCH /api/copies/{barcode}/": Call(
        STAFF, lambda world: world.copy.barcode, lambda world: {"branch": world.far_branch.code}
    ),
    "DELETE /api/copies/{barcode}/": Call(STAFF_REMOVES, lambda world: world.copy.barcode),
    "GET /api/reservations/": Call(ANY_READER),
    "POST /api/reservations/": Call((401, 201, 201, 201, 201), body=a_reservation),
    "POST /api/reservations/reserve/": Call((401, 201, 201, 201, 201), body=a_reservation),
    "GET /api/reservations/{reservation_id}/": Call(OWNER_OR_STAFF, lambda world: world.waiting.pk),
    "PATCH /api/reservations/{reservation_id}/": Call(
        OWNER_OR_STAFF, lambda world: world.waiting.pk, {"suspended_until": "2040-03-12T00:00:00Z"}
    ),
    "DELETE /api/reservations/{reservation_id}/": Call(OWNER_OR_STAFF, lambda world: world.waiting.pk),
    "POST /api/reservations/{reservation_id}/cancel/": Call(OWNER_OR_STAFF, lambda world: world.ready.pk),
    "POST /api/reservations/{reservation_id}/renew/": Call(OWNER_OR_STAFF, lambda world: world.borrowed.pk),
    "GET /api/reservations/{reservation_id}/explain/": Call(OWNER_OR_STAFF, lambda world: world.waiting.pk),
    "POST /api/reservations/{reservation_id}/shelve/": Call(STAFF, lambda world: world.assigned.pk),
    "POST /api/reservations/{reservation_id}/ship/": Call(STAFF, lambda world: world.to_ship.pk),
    "POST /api/reservations/{reservation_id}/receive/": Call(STAFF, lambda world: world.shipped.pk),
    "POST /api/reservations/{reservation_id}/issue/": Call(STAFF, lambda world: world.ready.pk),
    "POST /api/reservations/{reservation_id}/return_book/": Call(
        (401, 403, 404, 200, 200),
        lambda world: world.borrowed.pk,  # the policy has no self_return
    ),
    "POST /api/desk/checkout/": Call(
        STAFF, body=lambda world: {"barcode": world.copy.barcode, "reader": world.other.card_number}
    ),
    "POST /api/desk/checkin/": Call(
        STAFF, body=lambda world: {"barcode": world.copy.barcode, "branch": world.branch.code}
    ),
    "GET /api/desk/pull-list/": Call(STAFF),
    "GET /api/desk/in-hand/": Call(STAFF),
    "GET /api/desk/hold-shelf/": Call(STAFF),
    "GET /api/desk/overdue/": Call(STAFF),
    "GET /api/branches/": Call(EVERYONE),
    "POST /api/branches/": Call(ADMIN_MAKES, body=a_branch),
    "GET /api/branches/{branch_id}/": Call(EVERYONE, lambda world: world.branch.pk),
    "PUT /api/branches/{branch_id}/": Call(ADMIN, lambda world: world.branch.pk, a_branch),
    "PATCH /api/branches/{branch_id}/": Call(ADMIN, lambda world: world.branch.pk, {"name": "Centre"}),
    "DELETE /api/branches/{branch_id}/": Call(ADMIN_REMOVES, lambda world: world.bare_branch.pk),
    "GET /api/closures/": Call(EVERYONE),
    "POST /api/closures/": Call(ADMIN_MAKES, body=a_closure),
    "GET /api/closures/{closure_id}/": Call(EVERYONE, lambda world: world.closure.pk),
    "PUT /api/closures/{closure_id}/": Call(ADMIN, lambda world: world.closure.pk, a_closure),
    "PATCH /api/closures/{closure_id}/": Call(ADMIN, lambda world: world.closure.pk, {"reason": "x"}),
    "DELETE /api/closures/{closure_id}/": Call(ADMIN_REMOVES, lambda world: world.closure.pk),
    "GET /api/policies/": Call(EVERYONE),
    "POST /api/policies/": Call(ADMIN_MAKES, body=a_policy),
    "GET /api/policies/{policy_id}/": Call(EVERYONE, lambda world: world.policy.pk),
    "PUT /api/policies/{policy_id}/": Call(ADMIN, lambda world: world.policy.pk, {}),
    "PATCH /api/policies/{policy_id}/": Call(ADMIN, lambda world: world.policy.pk, {"loan_days": 14}),
    "DELETE /api/policies/{policy_id}/": Call(ADMIN_REMOVES, lambda world: world.branch_policy.pk),
    "GET /api/audit/": Call(ADMIN),
    "GET /api/logs/": Call(ADMIN),
}


def operations() -> set[str]:
    document = api.get_openapi_schema()
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


def request_of(call: Call, label: str, world: World) -> tuple[str, Any]:
    """The path and the body."""
    head, _, tail = label.split(" ")[1].partition("{")
    path = f"{head}{call.target(world)}{tail.partition('}')[2]}" if call.target else head
    return path, call.body(world) if callable(call.body) else call.body


def send(method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
    content = "" if body is None else json.dumps(body)
    return Client().generic(method, path, content, content_type="application/json", headers=headers)


def everything() -> dict[str, list[Any]]:
    """Every row that a request might change."""
    rows = {}
    with connection.cursor() as cursor:
        for table in ("account", "reservation", "copy", "holding", "book", "policy", "audit_entry", "outbox"):
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")
            rows[table] = cursor.fetchall()
    return rows


def test_table__names_every_operation_and_no_other() -> None:
    assert set(TABLE) == operations()


@pytest.mark.parametrize("label", sorted(TABLE))
def test_operation__by_everyone__answers_as_in_the_table(label: str, world: World) -> None:
    seen = []

    for person in PEOPLE:
        point = transaction.savepoint()
        path, body = request_of(TABLE[label], label, world)
        before = everything()
        response = send(label.split(" ", maxsplit=1)[0], path, body, world.headers(person))
        seen.append(response.status_code)
        if response.status_code >= 400:
            assert everything() == before
            assert response["Content-Type"] == "application/problem+json"
        transaction.savepoint_rollback(point)

    assert tuple(seen) == TABLE[label].expected


@pytest.mark.parametrize("label", sorted(TABLE))
def test_operation__by_a_machine_client_without_scopes__is_open_to_all_or_forbidden(label: str, world: World) -> None:
    path, body = request_of(TABLE[label], label, world)

    response = send(label.split(" ", maxsplit=1)[0], path, body, {"Authorization": f"Bearer {token_of_client()}"})

    of_nobody = TABLE[label].expected[0]
    assert response.status_code == (403 if of_nobody == 401 else of_nobody)


@pytest.mark.parametrize(("barcode", "quoted"), [("łódź", "%C5%82%C3%B3d%C5%BA"), ("a?b#c%41", "a%3Fb%23c%2541")])
def test_add_copy__a_barcode_of_any_letters__is_found_where_the_answer_says(
    barcode: str, quoted: str, world: World
) -> None:
    body = {"barcode": barcode, "branch": world.branch.code}
    made = send("POST", f"/api/books/{world.book.pk}/copies/", body, world.headers("librarian"))

    found = Client().get(made["Location"], headers=world.headers("librarian"))

    assert made["Location"] == f"/api/copies/{quoted}/"
    assert found.json()["barcode"] == barcode


def test_add_copy__a_barcode_with_a_control_character__is_refused(world: World) -> None:
    body = {"barcode": "a\x01b", "branch": world.branch.code}

    assert send("POST", f"/api/books/{world.book.pk}/copies/", body, world.headers("librarian")).status_code == 422


@pytest.mark.parametrize("query", ["", "?reader={reader}", "?book={book}", "?state=waiting", "?limit=200"])
def test_list_reservations__another_reader__sees_none_of_them(query: str, world: World) -> None:
    filled = query.format(reader=world.reader.pk, book=world.book.pk)

    answer = Client().get(f"/api/reservations/{filled}", headers=world.headers("other"))

    assert answer.json() == {"items": [], "next": None, "previous": None}


def test_place_reservation__in_another_readers_name__is_refused(world: World) -> None:
    before = everything()

    response = Client().post(
        "/api/reservations/",
        {"book_id": world.unborrowed_book.pk, "reader_id": world.reader.pk},
        content_type="application/json",
        headers=world.headers("other"),
    )

    assert (response.status_code, response.json()["code"]) == (403, "reservation.for_another_reader")
    assert everything() == before


def test_get_reservation__anothers_and_none__look_the_same(world: World) -> None:
    theirs = Client().get(f"/api/reservations/{world.waiting.pk}/", headers=world.headers("other")).json()
    none = Client().get("/api/reservations/987654321/", headers=world.headers("other")).json()

    varying = {"instance", "trace_id"}
    assert {key: theirs[key] for key in theirs.keys() - varying} == {key: none[key] for key in none.keys() - varying}

"""A caller with a good token: placing finds out for itself whether the session is live still."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.ids import new_id
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import open_session
from bookwell.library.catalog.models import Book
from bookwell.library.circulation.models import Reservation
from bookwell.library.plumbing.models import IdempotencyKeyRow
from tests.contract.library.world import World


def _seen(world: World, person: str) -> Client:
    """A client as this person, whom the service has just served."""
    client = Client(headers=world.headers(person))
    assert client.get("/api/me/").status_code == 200
    return client


def _place(client: Client, body: dict[str, Any], **headers: str) -> Any:
    return client.post("/api/reservations/", body, content_type="application/json", headers=headers)


def _end_sessions(user: User) -> None:
    TokenSession.objects.filter(user=user).update(revoked_at=clock.now())


def _deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _place_and_tell(client: Client, book: Book) -> tuple[int, list[str]]:
    """The status, and what was asked of the session."""
    with CaptureQueriesContext(connection) as captured:
        status = _place(client, {"book_id": book.pk}).status_code
    return status, [query["sql"] for query in captured if "token_session" in query["sql"]]


def test_place__session_is_live__takes_no_statement_for_it(world: World) -> None:
    status, (lock,) = _place_and_tell(Client(headers=world.headers("other")), world.unborrowed_book)

    assert status == 201
    assert "account a JOIN token_session" in lock


def test_place__session_was_found_ended__is_asked_for_before_the_next_request_is_counted(world: World) -> None:
    client = _seen(world, "other")
    _end_sessions(world.other)
    assert _place_and_tell(client, world.unborrowed_book)[0] == 401

    status, (asked,) = _place_and_tell(client, world.unborrowed_book)

    assert status == 401
    assert "account a JOIN token_session" not in asked


@pytest.mark.parametrize("end", [_end_sessions, _deactivate])
@pytest.mark.parametrize("body", [{}, {"book_id": "one"}, {"book_id": 999_999_999}, {"book_id": 0, "isbn": "x"}, None])
def test_place__session_ended_since__is_401_whatever_else_is_wrong(
    world: World, end: Any, body: dict[str, Any] | None
) -> None:
    client = _seen(world, "other")
    end(world.other)

    answer = _place(client, {"book_id": world.unborrowed_book.pk} if body is None else body)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert not Reservation.objects.filter(reader=world.other, book=world.unborrowed_book).exists()


def test_place__session_ended_since__leaves_the_key_for_the_next_session(world: World) -> None:
    client, key = _seen(world, "other"), new_id()
    _end_sessions(world.other)

    refused = _place(client, {"book_id": world.unborrowed_book.pk}, **{"Idempotency-Key": key})
    kept = IdempotencyKeyRow.objects.count()
    pair = run_in_transaction(lambda: open_session(user=world.other, now=clock.now()))
    assert pair is not None
    again = _place(
        Client(headers={"Authorization": f"Bearer {pair.access}"}),
        {"book_id": world.unborrowed_book.pk},
        **{"Idempotency-Key": key},
    )

    assert (refused.status_code, kept, again.status_code) == (401, 0, 201)


def test_place__librarian_for_another_reader__is_asked_for_the_role_as_it_is_now(world: World) -> None:
    client, wish = _seen(world, "librarian"), {"book_id": world.unborrowed_book.pk, "reader_id": world.other.pk}
    User.objects.filter(pk=world.librarian.pk).update(role=Role.READER)
    refused = _place(client, wish)
    User.objects.filter(pk=world.librarian.pk).update(role=Role.LIBRARIAN)

    answer = _place(client, wish)

    assert (refused.status_code, refused.json()["code"]) == (403, "reservation.for_another_reader")
    assert (answer.status_code, answer.json()["reader_id"]) == (201, world.other.pk)


def test_place__at_another_branch__is_placed_there(world: World) -> None:
    answer = _place(_seen(world, "other"), {"book_id": world.unborrowed_book.pk, "library": world.far_branch.code})

    assert (answer.status_code, answer.json()["library"]) == (201, world.far_branch.name)

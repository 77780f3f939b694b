"""Machine clients: how they are made, prove who they are, and what their tokens open."""

import base64
import datetime as dt
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth import hashers
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from bookwell.kit import clock
from bookwell.kit.ids import new_id
from bookwell.library.accounts.models import MachineClient
from bookwell.library.accounts.tokens import verifier
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.models import Reservation
from tests.factories import BookFactory, ReaderFactory, unique
from tests.fake_gateway import ISBN
from tests.people import Api, api_as, make_user

pytestmark = pytest.mark.django_db

TOKEN = "/identity/o/api/token"
BOTH = ("reservations:write", "availability:read")


def _add(*scopes: str, name: str = "") -> tuple[str, str]:
    printed = StringIO()
    options = [f"--scope={scope}" for scope in scopes or BOTH]
    call_command("add_client", name or unique("client"), *options, stdout=printed, stderr=StringIO())
    client_id, secret = (line.split()[1] for line in printed.getvalue().splitlines())
    return client_id, secret


def _ask(form: dict[str, Any], address: str = "192.0.2.1", **headers: str) -> Any:
    client = Client(enforce_csrf_checks=True, REMOTE_ADDR=address)  # no browser sends this form
    return client.post(TOKEN, {"grant_type": "client_credentials"} | form, headers=headers)


def _post_form(form: dict[str, Any], **options: Any) -> Any:
    from urllib.parse import urlencode  # noqa: PLC0415

    headers = options.pop("headers", {})
    content = urlencode({"grant_type": "client_credentials"} | form, doseq=True)
    return Client(enforce_csrf_checks=True, REMOTE_ADDR=options.pop("address", "192.0.2.1")).post(
        TOKEN, content, content_type="application/x-www-form-urlencoded", headers=headers
    )


def _access(client_id: str, secret: str, **more: str) -> str:
    answer = _post_form({"client_id": client_id, "client_secret": secret} | more)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["access_token"])


@pytest.fixture
def api() -> Api:
    return Api(access=_access(*_add()))


def _wish(**more: Any) -> dict[str, Any]:
    return {"reader": ReaderFactory.create().card_number} | more


def test_token__by_form_or_basic__carries_scopes_and_no_subject() -> None:
    client_id, secret = _add()
    basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()

    for answer in (
        _post_form({"client_id": client_id, "client_secret": secret}),
        _post_form({}, headers={"Authorization": f"Basic {basic}"}),
    ):
        shape = answer.json()
        claims = verifier().verify(shape["access_token"], now=clock.now())
        assert (shape["token_type"], shape["expires_in"], shape["scope"]) == ("Bearer", 300, " ".join(sorted(BOTH)))
        assert (claims.subject, claims.session_id, claims.roles) == (None, None, ())
        assert (claims.client_id, claims.scopes) == (client_id, tuple(sorted(BOTH)))
        assert answer.headers["Cache-Control"] == "no-store"


def test_token__of_fewer_scopes__has_those() -> None:
    client_id, secret = _add()

    answer = _post_form({"client_id": client_id, "client_secret": secret, "scope": "availability:read"})

    assert answer.json()["scope"] == "availability:read"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_id": "x", "client_secret": "y"}, 401, "invalid_client"),
        ({}, 401, "invalid_client"),
        ({"client_id": "x\0", "client_secret": "y"}, 400, "invalid_request"),
        ({"client_id": ["x", "z"], "client_secret": "y"}, 400, "invalid_request"),
        ({"client_id": "x", "client_secret": "y", "grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "x", "client_secret": "y", "grant_type": ""}, 400, "invalid_request"),
    ],
)
def test_token__refusals__have_the_shape_of_oauth(form: dict[str, Any], status: int, error: str) -> None:
    answer = _post_form(form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["Content-Type"] == "application/json"


def test_token__scope_that_the_client_has_not__is_refused() -> None:
    client_id, secret = _add("availability:read")

    answer = _post_form({"client_id": client_id, "client_secret": secret, "scope": "reservations:write"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_token__wrong_secret_five_times__locks_the_client_out_like_a_log_in() -> None:
    client_id, secret = _add()
    answers = [
        _post_form({"client_id": client_id, "client_secret": "wrong"}, address=f"192.0.2.{number}")
        for number in range(5)
    ]

    right = _post_form({"client_id": client_id, "client_secret": secret}, address="198.51.100.1")

    assert {answer.status_code for answer in answers} == {401}
    assert (right.status_code, right.json()["code"]) == (429, "auth.locked_out")
    assert int(right.headers["Retry-After"]) > 0


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic Og==", "Bearer x", "Basic /w=="])
def test_token__unreadable_header__is_refused_with_a_challenge(header: str) -> None:
    answer = _post_form({}, headers={"Authorization": header})

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_token__other_bodies_and_methods__are_refused() -> None:
    assert _ask({}).json()["error"] == "invalid_request"  # multipart
    assert Client().get(TOKEN).status_code == 405


def test_commands__secret_is_kept_as_a_password_is_and_names_are_unique() -> None:
    name = unique("client")
    client_id, secret = _add(name=name)

    kept = MachineClient.objects.get(pk=client_id)
    assert kept.secret_hash.startswith("argon2$argon2id$")
    assert secret not in kept.secret_hash
    with pytest.raises(CommandError, match="name"):
        _add(name=name)
    with pytest.raises(CommandError, match="There are"):
        _add("reservations:admin")
    listed = StringIO()
    call_command("list_clients", stdout=listed)
    assert client_id in listed.getvalue()
    assert secret not in listed.getvalue()


def test_revoked__neither_gets_tokens_nor_is_let_in_with_one(api: Api) -> None:
    client_id, secret = _add(name="revoked one")
    mine = Api(access=_access(client_id, secret))
    book = BookFactory.create()

    call_command("revoke_client", "revoked one", stdout=StringIO())

    assert _post_form({"client_id": client_id, "client_secret": secret}).status_code == 401
    assert mine.post("/api/reservations/", _wish(book_id=book.pk)).status_code == 401
    assert api.post("/api/reservations/", _wish(book_id=book.pk)).status_code == 201


def _rotate(name: str, **options: Any) -> str:
    printed = StringIO()
    call_command("rotate_client", name, stdout=printed, stderr=StringIO(), **options)
    return printed.getvalue().splitlines()[1].split()[1]


def test_rotate__another_secret__is_good_beside_the_former_for_a_day() -> None:
    name = unique("client")
    client_id, former = _add(name=name)

    with time_machine.travel(clock.now(), tick=False) as time:
        new = _rotate(name)
        at_once = [_status(client_id, secret) for secret in (former, new)]
        time.shift(dt.timedelta(hours=24))
        next_day = [_status(client_id, secret) for secret in (former, new)]

    assert (at_once, next_day) == ([200, 200], [401, 200])
    assert AuditEntry.objects.filter(action="client.secret_rotated", data__contains=client_id).count() == 1


def test_rotate__told_to_end_the_former_at_once__does() -> None:
    client_id, former = _add()

    new = _rotate(client_id, both_for=0)

    assert [_status(client_id, secret) for secret in (former, new)] == [401, 200]


@pytest.mark.parametrize("hours", ["-1", "8761", "nan", "a day"])
def test_rotate__no_such_time__is_refused(hours: str) -> None:
    client_id, secret = _add()

    with pytest.raises(CommandError, match="0 to 8760 hours"):
        call_command("rotate_client", client_id, f"--both-for={hours}")

    assert _status(client_id, secret) == 200


def test_rotate__twice__leaves_the_last_two() -> None:
    client_id, first = _add()

    second, third = _rotate(client_id), _rotate(client_id)

    assert [_status(client_id, secret) for secret in (first, second, third)] == [401, 200, 200]


def test_secrets__are_hashed__before_the_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    depths, find_hasher = [len(connection.savepoint_ids)], hashers.get_hasher

    def find_and_note(*of: Any) -> Any:
        depths.append(len(connection.savepoint_ids))
        return find_hasher(*of)

    monkeypatch.setattr(hashers, "get_hasher", find_and_note)

    client_id, _ = _add()
    _rotate(client_id)

    assert len(depths) == 3
    assert len(set(depths)) == 1


def test_rotate__revoked_or_unknown__is_refused_and_changes_nothing() -> None:
    name = unique("client")
    client_id, _ = _add(name=name)
    call_command("revoke_client", name, stdout=StringIO())
    before = MachineClient.objects.values().get(pk=client_id)

    for each in (name, unique("nobody")):
        with pytest.raises(CommandError):
            _rotate(each)

    assert MachineClient.objects.values().get(pk=client_id) == before


def _status(client_id: str, secret: str) -> int:
    return int(_post_form({"client_id": client_id, "client_secret": secret}).status_code)


def test_place__by_card_and_isbn__is_the_readers_and_the_trail_names_the_client(api: Api) -> None:
    reader, book = ReaderFactory.create(), BookFactory.create(isbn=ISBN)

    answer = api.post("/api/reservations/", {"reader": reader.card_number, "isbn": "978-0-261-10357-3"})

    assert answer.status_code == 201, answer.content
    assert (answer.json()["reader_id"], answer.json()["book_id"]) == (reader.pk, book.pk)
    assert AuditEntry.objects.filter(
        action="reservation.placed_by_client", object_id=answer.json()["id"], actor_id=0
    ).exists()


def test_place__external_ref_told_twice__is_one_reservation_with_one_answer(api: Api) -> None:
    wish = _wish(book_id=BookFactory.create(copies=0).pk, external_ref="theirs-1")

    first, second = (api.post("/api/reservations/", wish, **{"Idempotency-Key": new_id()}) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first.headers["Location"] == second.headers["Location"]
    assert Reservation.objects.count() == 1


def test_place__external_ref_for_another_book__is_refused(api: Api) -> None:
    wish = _wish(book_id=BookFactory.create().pk, external_ref="theirs-1")
    api.post("/api/reservations/", wish)

    answer = api.post("/api/reservations/", wish | {"book_id": BookFactory.create().pk})

    assert (answer.status_code, answer.json()["code"]) == (409, "reservation.external_ref_taken")
    assert Reservation.objects.count() == 1


def test_place__external_ref_of_another_client__is_another_reservation(api: Api) -> None:
    other = Api(access=_access(*_add()))
    wish = _wish(book_id=BookFactory.create().pk, external_ref="theirs-1")

    answers = [api.post("/api/reservations/", wish), other.post("/api/reservations/", wish)]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json()["code"] == "reservation.exists"


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"book_id": 1}, 422, "request.invalid"),
        ({"reader": "nobody", "book_id": 1}, 404, "reader.not_found"),
        ({"reader": "nobody"}, 422, "request.invalid"),
        ({"reader": "nobody", "book_id": 1, "isbn": ISBN}, 422, "request.invalid"),
        ({"reader": "nobody", "isbn": "9780261103574"}, 422, "book.isbn_invalid"),
        ({"reader": "nobody", "book_id": 1, "reader_id": 1}, 422, "request.invalid"),
    ],
)
def test_place__incomplete_or_wrong__is_refused(api: Api, wish: dict[str, Any], status: int, code: str) -> None:
    answer = api.post("/api/reservations/", wish)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Reservation.objects.exists()


def test_place__without_the_scope__is_refused() -> None:
    looker = Api(access=_access(*_add("availability:read")))
    book = BookFactory.create()

    answer = looker.post("/api/reservations/", _wish(book_id=book.pk))

    assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope_missing")
    assert looker.get(f"/api/books/{book.pk}/availability/").status_code == 200


def test_place__token_of_fewer_scopes__opens_those_alone() -> None:
    narrow = Api(access=_access(*_add(), scope="availability:read"))

    assert narrow.post("/api/reservations/", _wish(book_id=1)).status_code == 403


@pytest.mark.parametrize("path", ["/api/me/", "/api/reservations/", "/api/users/"])
def test_other_operations__are_for_people(api: Api, path: str) -> None:
    answer = api.get(path)

    assert (answer.status_code, answer.json()["code"]) == (403, "auth.role_forbidden")


@pytest.mark.parametrize("field", ["isbn", "reader", "external_ref"])
def test_place__reader_sends_what_is_for_machines__is_refused(field: str) -> None:
    answer = api_as(make_user()).post("/api/reservations/", {"book_id": 1, field: "x"})

    assert (answer.status_code, answer.json()["code"]) == (403, "reservation.machine_clients_only")

"""Users as administrators see them, and everybody the own record."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookwell.contracts.messages import Recipient
from bookwell.kit import clock
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import anonymise_user_in_tx
from bookwell.library.audit.models import AuditEntry
from bookwell.library.plumbing.models import OutboxRow
from tests.factories import BookFactory, BranchFactory, ReservationFactory, unique
from tests.notices import notice_of
from tests.people import PASSWORD, Api, api_as, make_user

pytestmark = pytest.mark.django_db

nobody = Api()

NEW_PASSWORD = "blue whales sing 3"


def test_add_user__by_admin__of_any_role() -> None:
    admin = make_user(Role.ADMIN)
    name, branch = unique("new"), BranchFactory.main()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}

    answer = api_as(admin).post(
        "/api/users/", body | {"role": "librarian", "category": "staff", "home_branch": branch.code}
    )

    assert answer.status_code == 201, answer.content
    user = answer.json()
    assert (user["role"], user["category"], user["home_branch"]) == ("librarian", "staff", branch.code)
    assert answer.headers["Location"] == f"/api/users/{user['id']}/"
    assert AuditEntry.objects.filter(action="user.created", object_id=user["id"], actor_id=admin.pk).exists()
    Api().log_in(User.objects.get(pk=user["id"]))


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"category": "ghost"}, 422, "account.category_unknown"),
        ({"home_branch": "nowhere"}, 422, "account.home_branch_unknown"),
        ({"password": "short"}, 422, "account.password_refused"),
        ({"role": "king"}, 422, "request.invalid"),
        ({"email": f"a@{'.'.join(['İİİİİİİİİİ'] * 18)}.org"}, 422, "request.invalid"),  # 383 letters when lowered
    ],
)
def test_add_user__wrong_values__are_refused(fields: dict[str, str], status: int, code: str) -> None:
    api = api_as(make_user(Role.ADMIN))
    name = unique("new")

    answer = api.post("/api/users/", {"username": name, "email": f"{name}@example.org", "password": PASSWORD} | fields)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not User.objects.filter(username=name).exists()


def test_list_users__by_admin__in_pages() -> None:
    api = api_as(make_user(Role.ADMIN))
    made = [make_user().pk for _ in range(5)]

    found, path = [], "/api/users/?limit=2"
    while path:
        page = api.get(path).json()
        found += [user["id"] for user in page["items"]]
        path = page["next"]

    assert found == sorted(found)
    assert set(made) <= set(found)


@pytest.mark.parametrize("role", [Role.READER, Role.STAFF, Role.LIBRARIAN])
def test_users__not_an_admin__sees_and_changes_nobody_else(role: Role) -> None:
    other, api = make_user(), api_as(make_user(role))
    path, body = f"/api/users/{other.pk}/", {"username": "mine", "email": "mine@example.org", "role": "reader"}

    answers = [api.get(path), api.patch(path, {"email": "x@example.org"}), api.put(path, body), api.delete(path)]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert api.get("/api/users/").status_code == 403
    assert api.post("/api/users/", body | {"password": PASSWORD}).status_code == 403
    assert User.objects.get(pk=other.pk).email == other.email


def test_users__without_token__is_401() -> None:
    path = f"/api/users/{make_user().pk}/"

    assert [nobody.get(path).status_code, nobody.get("/api/users/").status_code, nobody.delete(path).status_code] == [
        401
    ] * 3


def test_change_user__own_email_and_password__ends_sessions_and_tells_both_mailboxes() -> None:
    user = make_user()
    api, new = api_as(user), f"{unique('moved')}@example.org"

    body = {"email": new.upper(), "password": NEW_PASSWORD, "current_password": PASSWORD}
    answer = api.patch(f"/api/users/{user.pk}/", body)

    assert answer.status_code == 200, answer.content
    assert answer.json()["email"] == new
    assert api.get("/api/me/").status_code == 401
    assert not TokenSession.objects.filter(user=user, revoked_at__isnull=True).exists()
    Api().log_in(user, NEW_PASSWORD)
    mails = [(row.type, notice_of(row).recipient.email) for row in OutboxRow.objects.order_by("-pk")[:3]]
    assert set(mails) == {
        ("account.confirm_email", new),
        ("account.email_changed", user.email),
        ("account.password_changed", user.email),
    }
    entry = AuditEntry.objects.filter(action="user.changed", object_id=user.pk).get()
    assert json.loads(entry.data) == {"fields": ["email", "password"]}


@pytest.mark.parametrize("proof", [{}, {"current_password": None}, {"current_password": "wrong"}])
@pytest.mark.parametrize("change", [{"password": NEW_PASSWORD}, {"email": "thief@example.org"}])
def test_change_user__token_alone__changes_neither_password_nor_email(
    change: dict[str, str], proof: dict[str, Any]
) -> None:
    user = make_user(Role.LIBRARIAN)

    answer = api_as(user).patch(f"/api/users/{user.pk}/", change | proof)

    assert (answer.status_code, answer.json()["code"]) == (403, "account.current_password_wrong")
    unchanged = User.objects.get(pk=user.pk)
    assert (unchanged.email, unchanged.password, unchanged.version) == (user.email, user.password, user.version)
    Api().log_in(user)


def test_change_user__guessing_the_password__is_locked_out() -> None:
    user = make_user()
    api, path = api_as(user), f"/api/users/{user.pk}/"

    answers = [api.patch(path, {"password": NEW_PASSWORD, "current_password": "guess"}) for _ in range(6)]
    right = api.patch(path, {"password": NEW_PASSWORD, "current_password": PASSWORD})

    assert [answer.status_code for answer in answers] == [403] * 5 + [429]
    assert (right.status_code, right.json()["code"]) == (429, "auth.locked_out")
    assert User.objects.get(pk=user.pk).password == user.password


def test_change_user__the_same_email_and_other_settings__needs_no_password() -> None:
    user = make_user()
    body = {"username": user.username, "email": user.email.upper(), "language": "pl"}

    assert api_as(user).put(f"/api/users/{user.pk}/", body).status_code == 200


def test_change_user__password_by_an_admin__tells_the_mailbox() -> None:
    user = make_user()

    answer = api_as(make_user(Role.ADMIN)).patch(f"/api/users/{user.pk}/", {"password": NEW_PASSWORD})

    assert answer.status_code == 200
    row = OutboxRow.objects.get(aggregate=f"user:{user.pk}", type="account.password_changed")
    assert notice_of(row).recipient.email == user.email


@pytest.mark.parametrize(
    "fields", [{"role": "admin"}, {"category": "staff"}, {"username": "other"}, {"is_active": False}]
)
def test_change_user__own_role_and_standing__are_refused(fields: dict[str, Any]) -> None:
    user = make_user()

    answer = api_as(user).patch(
        f"/api/users/{user.pk}/", fields | {"email": "new@example.org", "current_password": PASSWORD}
    )

    assert answer.status_code == 403
    assert answer.json()["code"] == "account.field_forbidden"
    unchanged = User.objects.get(pk=user.pk)
    assert (unchanged.role, unchanged.email, unchanged.version) == (user.role, user.email, user.version)


def test_replace_user__own_record_with_the_same_role__is_allowed() -> None:
    user = make_user()
    body = {"username": user.username, "email": "replaced@example.org", "password": NEW_PASSWORD, "role": "reader"}

    answer = api_as(user).put(f"/api/users/{user.pk}/", body | {"current_password": PASSWORD})

    assert answer.status_code == 200
    assert answer.json()["email"] == "replaced@example.org"


def test_change_user__admin_promotes_and_deactivates() -> None:
    user, admin = make_user(), make_user(Role.ADMIN)
    reader = api_as(user)

    promoted = api_as(admin).patch(f"/api/users/{user.pk}/", {"role": "librarian"})
    listed_as_librarian = reader.get("/api/desk/overdue/").status_code
    deactivated = api_as(admin).patch(f"/api/users/{user.pk}/", {"is_active": False})

    assert promoted.json()["role"] == "librarian"
    assert listed_as_librarian == 200
    assert deactivated.json()["is_active"] is False
    assert reader.get("/api/me/").status_code == 401


def test_change_user__taken_username__is_refused() -> None:
    user, other = make_user(), make_user()

    answer = api_as(make_user(Role.ADMIN)).patch(
        f"/api/users/{user.pk}/", {"username": other.username.upper(), "email": "lost@example.org"}
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "account.username_taken")
    assert User.objects.get(pk=user.pk).email == user.email


def test_change_user__admin_to_herself__keeps_role() -> None:
    admin = make_user(Role.ADMIN)
    make_user(Role.ADMIN)

    answer = api_as(admin).patch(f"/api/users/{admin.pk}/", {"role": "reader"})

    assert answer.status_code == 403
    assert User.objects.get(pk=admin.pk).role == Role.ADMIN


def test_delete_user__anonymises() -> None:
    user, admin = make_user(), make_user(Role.ADMIN)
    api = api_as(user)

    answer = api_as(admin).delete(f"/api/users/{user.pk}/")

    assert answer.status_code == 204, answer.content
    gone = User.objects.get(pk=user.pk)
    assert user.username not in (gone.username, gone.username_key)
    assert (gone.email, gone.confirmed_email, gone.is_active) == ("", None, False)
    assert gone.card_number != user.card_number
    assert api.get("/api/me/").status_code == 401
    assert api_as(admin).get(f"/api/users/{user.pk}/").status_code == 404
    assert AuditEntry.objects.filter(action="user.deleted", object_id=user.pk, actor_id=admin.pk).exists()


def test_delete_user__is_forgotten_in_messages_and_the_log_of_the_admin() -> None:
    user, other = make_user(), make_user()
    book = BookFactory.create(copies=1)
    for reader in (user, other):
        ReservationFactory.place(reader, book)
    browser = Client()
    browser.force_login(make_user(Role.ADMIN))
    form = {"username": user.username, "email": user.email, "role": "reader", "category": "adult", "is_active": "on"}
    browser.post(f"/admin/accounts/user/{user.pk}/change/", form | {"language": "pl"})
    assert LogEntry.objects.filter(object_repr=user.username).exists()

    answer = api_as(user).delete(f"/api/users/{user.pk}/")

    assert answer.status_code == 204, answer.content
    forgotten = OutboxRow.objects.get(type="person.forgotten")
    assert (forgotten.queue, json.loads(forgotten.payload), forgotten.done_at) == (
        "mail",
        {"reference": f"user:{user.pk}"},
        None,
    )
    mails = OutboxRow.objects.filter(aggregate=f"user:{user.pk}").exclude(pk=forgotten.pk)
    assert {(row.payload, row.done_at is not None) for row in mails} == {("{}", True)}
    everything = " ".join(row.payload for row in OutboxRow.objects.all())
    assert user.username not in everything
    assert user.email not in everything
    assert other.email in everything
    assert not LogEntry.objects.filter(object_repr=user.username).exists()
    cancelled = OutboxRow.objects.filter(type="reservation.cancelled").latest("pk")
    assert notice_of(cancelled).recipient == Recipient(reference=f"user:{user.pk}", name="", language="pl")


def test_delete_user__last_administrator__is_refused() -> None:
    User.objects.filter(role=Role.ADMIN).update(role=Role.READER)
    admin = make_user(Role.ADMIN)

    answer = api_as(admin).delete(f"/api/users/{admin.pk}/")

    assert (answer.status_code, answer.json()["code"]) == (409, "account.last_administrator")
    assert User.objects.get(pk=admin.pk).is_active


@pytest.mark.parametrize("role", [Role.READER, Role.ADMIN])
def test_anonymise__locks_the_administrators_before_the_user(role: Role) -> None:
    make_user(Role.ADMIN)
    user = make_user(role)

    with CaptureQueriesContext(connection) as statements:
        anonymise_user_in_tx(user_id=user.pk, actor_id=user.pk, now=clock.now())

    reads = [query["sql"] for query in statements if query["sql"].startswith("SELECT")]
    assert ["role" in sql.partition("WHERE")[2] for sql in reads[:3]] == [True, True, False]
    assert " IN (" in reads[1]  # by their keys: nobody else's row is waited for
    assert connection.vendor == "sqlite" or ["FOR UPDATE" in sql for sql in reads[:3]] == [False, True, True]


def test_profile__own_settings() -> None:
    user, branch = make_user(), BranchFactory.create()
    api = api_as(user)

    changed = api.patch("/api/me/", {"language": "pl", "channels": ["sms", "email"], "home_branch": branch.code})
    profile = api.get("/api/me/").json()

    assert changed.status_code == 200
    assert (profile["language"], profile["channels"], profile["home_branch"]) == ("pl", ["sms", "email"], branch.code)
    assert profile["card_number"] == user.card_number
    assert profile["blocks"] == []
    assert (profile["open_reservations"], profile["open_loans"], profile["overdue_loans"]) == (0, 0, 0)
    assert api.patch("/api/me/", {"language": "xx"}).status_code == 422
    assert api.patch("/api/me/", {"role": "admin"}).status_code == 422


def test_older_paths__reach_the_same_operations() -> None:
    user = make_user()

    assert nobody.post("/login", {"username": user.username, "password": PASSWORD}).status_code == 200
    assert api_as(user).get(f"/users/{user.pk}").json()["id"] == user.pk


def test_jwks__publishes_the_signing_key() -> None:
    import jwt  # noqa: PLC0415 -- as another service would

    access = nobody.log_in(make_user())["access"]

    keys = jwt.PyJWKSet.from_dict(nobody.get("/.well-known/jwks.json").json())

    key = keys[jwt.get_unverified_header(access)["kid"]]
    claims = jwt.decode(access, key, algorithms=["RS256"], audience="bookwell", issuer="http://127.0.0.1:8013")
    assert {"iss", "aud", "sub", "sid", "roles", "exp", "jti"} <= claims.keys()
    assert claims["roles"] == ["reader"]

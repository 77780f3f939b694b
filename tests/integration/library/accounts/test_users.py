"""Users as administrators see them, and everybody the own record."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import anonymise_user_in_tx
from bookwell.library.audit.models import AuditEntry
from bookwell.library.plumbing.models import OutboxRow
from tests.factories import BranchFactory, unique
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

    answer = api.patch(f"/api/users/{user.pk}/", {"email": new.upper(), "password": NEW_PASSWORD})

    assert answer.status_code == 200, answer.content
    assert answer.json()["email"] == new
    assert api.get("/api/me/").status_code == 401
    assert not TokenSession.objects.filter(user=user, revoked_at__isnull=True).exists()
    Api().log_in(user, NEW_PASSWORD)
    mails = [(row.type, json.loads(row.payload)["to"]) for row in OutboxRow.objects.order_by("-pk")[:2]]
    assert set(mails) == {("account.confirm_email", new), ("account.email_changed", user.email)}
    entry = AuditEntry.objects.filter(action="user.changed", object_id=user.pk).get()
    assert json.loads(entry.data) == {"fields": ["email", "password"]}


@pytest.mark.parametrize(
    "fields", [{"role": "admin"}, {"category": "staff"}, {"username": "other"}, {"is_active": False}]
)
def test_change_user__own_role_and_standing__are_refused(fields: dict[str, Any]) -> None:
    user = make_user()

    answer = api_as(user).patch(f"/api/users/{user.pk}/", fields | {"email": "new@example.org"})

    assert answer.status_code == 403
    assert answer.json()["code"] == "account.field_forbidden"
    unchanged = User.objects.get(pk=user.pk)
    assert (unchanged.role, unchanged.email, unchanged.version) == (user.role, user.email, user.version)


def test_replace_user__own_record_with_the_same_role__is_allowed() -> None:
    user = make_user()
    body = {"username": user.username, "email": "replaced@example.org", "password": NEW_PASSWORD, "role": "reader"}

    answer = api_as(user).put(f"/api/users/{user.pk}/", body)

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
    assert ["role" in sql.partition("WHERE")[2] for sql in reads[:2]] == [True, False]
    assert connection.vendor == "sqlite" or all("FOR UPDATE" in sql for sql in reads[:2])


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

"""Django's admin over users."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.errors import CategoryInUse
from bookwell.library.accounts.models import MachineClient, ReaderCategory, TokenSession, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import add_client, delete_category_in_tx
from bookwell.library.audit.models import AuditEntry
from tests.factories import unique
from tests.people import PASSWORD, api_as, make_user

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"
CLIENTS = "/admin/accounts/machineclient/"


def _browser(user: User, password: str = PASSWORD) -> Any:
    client = Client()
    client.post("/admin/login/?next=/admin/", {"username": user.username, "password": password})
    return client


@pytest.mark.parametrize(
    ("role", "index", "users"),
    [(Role.ADMIN, 200, 200), (Role.LIBRARIAN, 200, 403), (Role.READER, 302, 302), (Role.STAFF, 302, 302)],
)
def test_admin__lets_in_by_role(role: Role, index: int, users: int) -> None:
    client = _browser(make_user(role))

    assert client.get("/admin/").status_code == index
    assert client.get(USERS).status_code == users


def test_admin__wrong_passwords__lock_out_too() -> None:
    admin = make_user(Role.ADMIN)
    for _ in range(5):
        _browser(admin, "wrong")

    assert _browser(admin).get("/admin/").status_code == 302

    cache.clear()
    assert _browser(admin).get("/admin/").status_code == 200


def test_admin__machine_clients__are_listed_without_secrets_and_revoked() -> None:
    admin, name, client_id = make_user(Role.ADMIN), unique("client"), unique("id")
    wanted: dict[str, Any] = {"client_id": client_id, "name": name, "scopes": ["availability:read"]}
    run_in_transaction(lambda: add_client(secret_hash="a hash", now=clock.now(), **wanted))
    browser = _browser(admin)

    listed, shown = browser.get(CLIENTS), browser.get(f"{CLIENTS}{client_id}/change/")
    browser.post(CLIENTS, {"action": "revoke", "_selected_action": [client_id]})

    client = MachineClient.objects.get(pk=client_id)
    assert (name in listed.text, name in shown.text) == (True, True)
    assert client.secret_hash not in shown.text
    assert client.revoked_at is not None
    entry = AuditEntry.objects.get(action="client.revoked", object_type="client", actor_id=admin.pk)
    assert client_id in entry.data


@pytest.mark.parametrize("path", ["/admin/accounts/machineclient/", "/admin/accounts/outsideidentity/"])
def test_admin__librarians__do_not_see_whom_administrators_let_in(path: str) -> None:
    assert _browser(make_user(Role.LIBRARIAN)).get(path).status_code == 403
    assert _browser(make_user(Role.ADMIN)).get(path).status_code == 200


def test_admin__adds_a_user_through_the_service() -> None:
    admin, name = make_user(Role.ADMIN), unique("desk")
    form = {
        "username": name,
        "email": f"{name}@example.org",
        "role": "librarian",
        "category": "staff",
        "language": "en",
        "is_active": "on",
        "new_password": PASSWORD,
    }

    answer = _browser(admin).post(f"{USERS}add/", form)

    assert answer.status_code == 302
    user = User.objects.get(username=name)
    assert (user.role, user.check_password(PASSWORD), len(user.card_number)) == ("librarian", True, 14)
    assert AuditEntry.objects.filter(action="user.created", object_id=user.pk, actor_id=admin.pk).exists()


def test_admin__changes_role_and_password__audited_and_sessions_end() -> None:
    admin, user = make_user(Role.ADMIN), make_user()
    api_as(user)
    form = {
        "username": user.username,
        "email": user.email,
        "role": "librarian",
        "category": "adult",
        "language": "en",
        "is_active": "on",
        "new_password": "blue whales sing 3",
    }

    answer = _browser(admin).post(f"{USERS}{user.pk}/change/", form)

    assert answer.status_code == 302
    assert User.objects.get(pk=user.pk).role == "librarian"
    assert not TokenSession.objects.filter(user=user, revoked_at__isnull=True).exists()
    assert AuditEntry.objects.filter(action="user.changed", object_id=user.pk, actor_id=admin.pk).exists()


def test_admin__keeps_reader_categories__audited() -> None:
    admin, code = make_user(Role.ADMIN), unique("kind")[-20:]
    client, path = _browser(admin), "/admin/accounts/readercategory/"

    client.post(f"{path}add/", {"code": code, "name": "Guests"})
    client.post(f"{path}{code}/change/", {"name": "Visitors"})
    renamed = ReaderCategory.objects.get(pk=code).name
    client.post(f"{path}{code}/delete/", {"post": "yes"})

    assert renamed == "Visitors"
    assert not ReaderCategory.objects.filter(pk=code).exists()
    entries = AuditEntry.objects.filter(object_type="category", actor_id=admin.pk).order_by("pk")
    assert [entry.action for entry in entries] == ["category.created", "category.changed", "category.deleted"]
    assert all(code in entry.data for entry in entries)


def test_category__in_use__is_not_deleted() -> None:
    user = make_user()

    with pytest.raises(CategoryInUse):
        run_in_transaction(lambda: delete_category_in_tx(code=str(user.category_id), actor_id=1))

    assert ReaderCategory.objects.filter(pk=user.category_id).exists()
    assert not AuditEntry.objects.filter(action="category.deleted").exists()


def test_admin__taken_username_and_own_role__are_refused() -> None:
    admin, other = make_user(Role.ADMIN), make_user()
    form = {"email": admin.email, "category": "adult", "language": "en", "is_active": "on"}
    client = _browser(admin)

    client.post(f"{USERS}{admin.pk}/change/", form | {"username": other.username.upper(), "role": "admin"})
    client.post(f"{USERS}{admin.pk}/change/", form | {"username": admin.username, "role": "reader"})

    unchanged = User.objects.get(pk=admin.pk)
    assert (unchanged.username, unchanged.role, unchanged.version) == (admin.username, "admin", admin.version)

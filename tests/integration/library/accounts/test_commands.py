"""Management commands of accounts."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bookwell.library.accounts.models import User
from bookwell.library.accounts.tokens import key_ring
from tests.factories import unique
from tests.people import PASSWORD, Api, make_user

pytestmark = pytest.mark.django_db


def test_create_admin__with_a_good_password__may_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    name = unique("boss")
    monkeypatch.setattr("sys.stdin", StringIO(f"{PASSWORD}\n"))

    call_command("create_admin", name, f"{name}@Example.org", stdout=StringIO())

    user = User.objects.get(username=name)
    assert (user.role, user.confirmed_email, user.category_id) == ("admin", f"{name}@example.org", "staff")
    Api().log_in(user)


@pytest.mark.parametrize(("name", "password"), [("boss", "short"), ("not allowed", PASSWORD)])
def test_create_admin__refused__makes_nobody(monkeypatch: pytest.MonkeyPatch, name: str, password: str) -> None:
    monkeypatch.setenv("BOOKWELL_ADMIN_PASSWORD", password)

    with pytest.raises(CommandError):
        call_command("create_admin", name, "boss@example.org")

    assert not User.objects.filter(username=name).exists()


def test_rotate_keys__tokens_of_the_old_key__are_still_good() -> None:
    before = Api().log_in(make_user())
    old = key_ring().signing_key().kid

    call_command("rotate_keys", stdout=StringIO())

    assert key_ring().signing_key().kid != old
    assert Api(before["access"]).get("/api/me/").status_code == 200
    renewed = Api().post("/api/token/refresh/", {"refresh": before["refresh"]}).json()
    assert Api(renewed["access"]).get("/api/me/").status_code == 200
    assert {old, key_ring().signing_key().kid} <= {
        key["kid"] for key in Api().get("/.well-known/jwks.json").json()["keys"]
    }

"""What parallel requests must not do to accounts and sessions. Real connections, own rows, nothing flushed."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from django.core.cache import cache

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts import services
from bookwell.library.accounts.errors import EmailTaken, LastAdministrator
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.audit.models import AuditEntry
from tests.concurrency.racing import race
from tests.factories import unique
from tests.people import PASSWORD, Api, make_user

T = TypeVar("T")

REFRESH = "/api/token/refresh/"


@pytest.fixture(autouse=True)
def _no_failures(committed: str) -> None:
    cache.clear()


def _answers(*racers: Callable[[], T]) -> list[T]:
    return [outcome.value for outcome in race(racers)]


def test_refresh__one_token_in_parallel__one_rotation_and_one_successor() -> None:
    token = Api().log_in(make_user())["refresh"]

    answers = _answers(*[lambda: Api().post(REFRESH, {"refresh": token})] * 8)

    assert [answer.status_code for answer in answers] == [200] * 8
    [successor] = {answer.json()["refresh"] for answer in answers}
    assert TokenSession.objects.get(pk=token.split(".")[0]).generation == 1
    assert Api().post(REFRESH, {"refresh": successor}).status_code == 200


def test_log_out__beside_refreshes__nothing_survives() -> None:
    token = Api().log_in(make_user())["refresh"]

    answers = _answers(
        lambda: Api().post("/api/logout/", {"refresh": token}),
        *[lambda: Api().post(REFRESH, {"refresh": token})] * 4,
    )

    assert answers[0].status_code == 204
    for answer in answers[1:]:
        if answer.status_code == 200:
            assert Api(answer.json()["access"]).get("/api/me/").status_code == 401
            assert Api().post(REFRESH, {"refresh": answer.json()["refresh"]}).status_code == 401


def test_change_password__beside_log_ins_with_the_old_one__none_of_them_has_a_session() -> None:
    user = make_user()
    api = Api(Api().log_in(user)["access"])
    change = {"current_password": PASSWORD, "password": "blue whales sing 3"}

    answers = _answers(
        lambda: api.patch(f"/api/users/{user.pk}/", change),
        *[lambda: Api().post("/api/login/", {"username": user.username, "password": PASSWORD})] * 4,
    )

    assert answers[0].status_code == 200
    assert {answer.status_code for answer in answers[1:]} <= {200, 401}
    assert not TokenSession.objects.filter(user=user, revoked_at=None).exists()


def test_log_in__wrong_passwords_at_once__no_more_are_told_than_the_limit() -> None:
    guess = {"username": make_user().username, "password": "wrong"}

    answers = _answers(*[lambda: Api().post("/api/login/", guess)] * 12)

    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


def test_register__one_username_in_parallel__exactly_one_reader() -> None:
    name = unique("raced")
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}

    answers = _answers(*[lambda: Api().post("/api/register/", body)] * 6)

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"account.username_taken"}
    reader = User.objects.get(username_key=name.casefold())
    assert AuditEntry.objects.filter(action="user.created", object_id=reader.pk).count() == 1


def test_confirm__one_address_of_many_accounts__exactly_one_has_it() -> None:
    address = f"{unique('shared')}@example.org"
    claimants = [make_user(email=address).pk for _ in range(5)]

    def confirm(user_id: int) -> str:
        try:
            run_in_transaction(lambda: confirm_email_in_tx(user_id=user_id, email=address))
        except EmailTaken:
            return "taken"
        return "confirmed"

    answers = _answers(*[lambda user_id=user_id: confirm(user_id) for user_id in claimants])

    assert sorted(answers) == ["confirmed"] + ["taken"] * 4
    assert User.objects.filter(confirmed_email=address).count() == 1


def test_demote__administrators_demote_one_another__one_is_left() -> None:
    User.objects.filter(role=Role.ADMIN).update(role=Role.READER)
    admins = [make_user(Role.ADMIN).pk for _ in range(3)]

    def demote(user_id: int, actor_id: int) -> str:
        try:
            run_in_transaction(
                lambda: services.change_user_in_tx(
                    user_id=user_id, fields={"role": Role.READER}, actor_id=actor_id, is_admin=True, now=clock.now()
                )
            )
        except LastAdministrator:
            return "refused"
        return "demoted"

    pairs = zip(admins, admins[1:] + admins[:1], strict=True)
    answers = _answers(*[lambda pair=pair: demote(*pair) for pair in pairs])

    assert sorted(answers) == ["demoted", "demoted", "refused"]
    assert User.objects.filter(pk__in=admins, role=Role.ADMIN).count() == 1


def test_log_in__many_readers_from_one_address__none_is_locked_out() -> None:
    users = [make_user() for _ in range(12)]

    pairs = _answers(*[lambda user=user: Api().log_in(user) for user in users])

    assert all(Api(pair["access"]).get("/api/me/").status_code == 200 for pair in pairs)

"""Logging in and out, refreshing, being locked out."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookwell.kit import clock
from bookwell.kit.http_errors import HttpRefusal
from bookwell.library.accounts.lockout import count_guess, record_failure, refuse_locked_out
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.queries import find_caller
from bookwell.library.accounts.services import open_session
from bookwell.library.config.databases import cache_settings
from tests.factories import unique
from tests.people import PASSWORD, Api, make_user

pytestmark = pytest.mark.django_db

nobody = Api()

REFRESH = "/api/token/refresh/"


@pytest.mark.parametrize("path", ["/api/login/", "/api/token/"])
def test_log_in__right_password_in_any_case_of_the_name__gives_tokens_that_work(path: str) -> None:
    user = make_user()

    answer = nobody.post(path, {"username": user.username.upper(), "password": PASSWORD})

    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh"}
    assert Api(answer.json()["access"]).get("/api/me/").json()["username"] == user.username


@pytest.mark.parametrize("password", ["wrong", f" {PASSWORD}", f"{PASSWORD} "])
def test_log_in__wrong_password__is_refused(password: str) -> None:
    user = make_user()

    answer = nobody.post("/api/login/", {"username": user.username, "password": password})

    assert answer.status_code == 401
    assert answer.json()["code"] == "auth.bad_credentials"
    assert not TokenSession.objects.filter(user=user).exists()


def test_log_in__unknown_and_deactivated__answer_like_a_wrong_password() -> None:
    inactive = make_user()
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    wrong = nobody.post("/api/login/", {"username": make_user().username, "password": "wrong"})

    others = [
        nobody.post("/api/login/", {"username": name, "password": PASSWORD}) for name in (inactive.username, "nobody")
    ]

    for other in others:
        assert other.status_code == wrong.status_code == 401
        assert _without_trace(other) == _without_trace(wrong)


def test_authentication__one_statement() -> None:
    access = nobody.log_in(make_user())["access"]

    with CaptureQueriesContext(connection) as queries:
        caller = find_caller(access)

    assert caller is not None
    assert len(queries) == 1


def test_refresh__current_token__rotates() -> None:
    first = nobody.log_in(make_user())

    second = nobody.post(REFRESH, {"refresh": first["refresh"]}).json()
    third = nobody.post(REFRESH, {"refresh": second["refresh"]}).json()

    assert len({first["refresh"], second["refresh"], third["refresh"]}) == 3
    assert Api(third["access"]).get("/api/me/").status_code == 200


def test_refresh__repeated_within_the_grace__gets_the_same_successor() -> None:
    first = nobody.log_in(make_user())["refresh"]

    second, again = (nobody.post(REFRESH, {"refresh": first}).json() for _ in range(2))

    assert second["refresh"] == again["refresh"]
    assert nobody.post(REFRESH, {"refresh": again["refresh"]}).status_code == 200


def test_refresh__replayed_after_the_grace__ends_the_session() -> None:
    with time_machine.travel(dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC), tick=False) as travel:
        first = nobody.log_in(make_user())["refresh"]
        second = nobody.post(REFRESH, {"refresh": first}).json()
        travel.shift(11)

        replay = nobody.post(REFRESH, {"refresh": first})

        assert replay.status_code == 401
        assert replay.json()["code"] == "auth.refresh_invalid"
        assert nobody.post(REFRESH, {"refresh": second["refresh"]}).status_code == 401
        assert Api(second["access"]).get("/api/me/").status_code == 401


def test_refresh__two_generations_old__ends_the_session_at_once() -> None:
    first = nobody.log_in(make_user())["refresh"]
    second = nobody.post(REFRESH, {"refresh": first}).json()["refresh"]
    third = nobody.post(REFRESH, {"refresh": second}).json()["refresh"]

    assert nobody.post(REFRESH, {"refresh": first}).status_code == 401
    assert nobody.post(REFRESH, {"refresh": third}).status_code == 401


def test_refresh__forged_for_a_known_session__leaves_the_session_alone() -> None:
    real = nobody.log_in(make_user())["refresh"]
    session_id, _, secret = real.split(".")
    second = nobody.post(REFRESH, {"refresh": real}).json()["refresh"]

    forged = [f"{session_id}.0.{secret[::-1]}", f"{session_id}.1.{secret}", f"{session_id}.7.{secret}", session_id, ""]
    answers = [nobody.post(REFRESH, {"refresh": token}).status_code for token in forged]

    assert answers == [401] * len(forged)
    assert nobody.post(REFRESH, {"refresh": second}).status_code == 200


def test_refresh__expired_session__is_refused() -> None:
    with time_machine.travel(dt.datetime(2026, 5, 4, tzinfo=dt.UTC), tick=False) as travel:
        first = nobody.log_in(make_user())["refresh"]
        travel.shift(dt.timedelta(days=30, seconds=1))

        assert nobody.post(REFRESH, {"refresh": first}).status_code == 401


def test_access__after_five_minutes__is_refused() -> None:
    with time_machine.travel(dt.datetime(2026, 5, 4, tzinfo=dt.UTC), tick=False) as travel:
        caller = Api(nobody.log_in(make_user())["access"])
        travel.shift(299)
        assert caller.get("/api/me/").status_code == 200
        travel.shift(2)

        assert caller.get("/api/me/").status_code == 401


def test_log_out__ends_access_at_once_and_twice_is_no_error() -> None:
    pair = nobody.log_in(make_user())

    first, second = (nobody.post("/api/logout/", {"refresh": pair["refresh"]}).status_code for _ in range(2))

    assert (first, second) == (204, 204)
    assert Api(pair["access"]).get("/api/me/").status_code == 401
    assert nobody.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401


def test_log_out__no_token_of_ours__is_refused() -> None:
    pair = nobody.log_in(make_user())
    session_id = pair["refresh"].split(".")[0]

    assert nobody.post("/api/logout/", {"refresh": f"{session_id}.0.{'x' * 43}"}).status_code == 401
    assert Api(pair["access"]).get("/api/me/").status_code == 200


def test_deactivation__ends_access_at_once() -> None:
    user = make_user()
    pair = nobody.log_in(user)

    User.objects.filter(pk=user.pk).update(is_active=False)

    assert Api(pair["access"]).get("/api/me/").status_code == 401
    assert nobody.post(REFRESH, {"refresh": pair["refresh"]}).status_code == 401


def test_lockout__five_failures_of_one_account__from_any_address() -> None:
    user, other = make_user(), make_user()
    for number in range(5):
        Api(address=f"10.0.0.{number}").post("/api/login/", {"username": user.username, "password": "wrong"})

    answer = Api(address="10.0.1.1").post("/api/login/", {"username": user.username.upper(), "password": PASSWORD})

    assert answer.status_code == 429
    assert answer.json()["code"] == "auth.locked_out"
    assert 1 <= int(answer.headers["Retry-After"]) <= 301
    assert not TokenSession.objects.filter(user=user).exists()
    Api(address="10.0.1.1").log_in(other)


def test_lockout__after_its_time__is_over() -> None:
    user = make_user()
    with time_machine.travel(dt.datetime(2026, 5, 4, tzinfo=dt.UTC), tick=False) as travel:
        for _ in range(5):
            Api().post("/api/login/", {"username": user.username, "password": "wrong"})
        travel.shift(301)

        Api().log_in(user)


def test_lockout__unknown_account__as_a_known_one() -> None:
    answers = [nobody.post("/api/login/", {"username": "nobody", "password": "wrong"}).status_code for _ in range(6)]

    assert answers == [401] * 5 + [429]


@pytest.mark.parametrize("change", [{"password": "another"}, {"is_active": False}, {"deleted_at": clock.now()}])
def test_open_session__the_account_changed_after_the_password_was_verified__is_none(change: dict[str, Any]) -> None:
    verified = make_user()
    User.objects.filter(pk=verified.pk).update(**change)

    assert open_session(user=verified, now=clock.now()) is None

    assert not TokenSession.objects.filter(user=verified).exists()


def test_lockout__twenty_failures_of_one_address__whatever_the_account() -> None:
    user = make_user()
    for number in range(20):
        Api(address="10.9.9.9").post("/api/login/", {"username": f"nobody-{number}", "password": "wrong"})

    body = {"username": user.username, "password": PASSWORD}

    assert Api(address="10.9.9.9").post("/api/login/", body).status_code == 429
    Api(address="10.9.9.8").log_in(user)


@pytest.mark.parametrize(
    ("guessers", "bystander"),
    [
        ([f"192.0.2.1:{40_000 + number}" for number in range(20)], "192.0.2.2:40000"),
        (["::ffff:192.0.2.3"] * 20, "::ffff:192.0.2.4"),
        ([f"2001:db8:1:1::{number:x}" for number in range(20)], "2001:db8:1:2::1"),
    ],
)
def test_lockout__however_a_proxy_writes_addresses__is_of_the_guesser_alone(
    guessers: list[str], bystander: str
) -> None:
    for address in guessers:
        record_failure(username=unique("nobody"), address=address)

    refuse_locked_out(username=unique("other"), address=bystander)
    with pytest.raises(HttpRefusal, match="locked_out"):
        refuse_locked_out(username=unique("other"), address=guessers[0])


def test_lockout__hundreds_of_other_names_fail__holds(settings: Any) -> None:
    settings.CACHES = {"default": cache_settings(redis_url="", embedded_file=None)}
    for _ in range(5):
        record_failure(username="guessed", address="10.8.0.1")

    for number in range(400):
        record_failure(username=f"nobody-{number}", address=f"10.7.{number // 200}.{number % 200}")

    with pytest.raises(HttpRefusal, match="locked_out"):
        refuse_locked_out(username="guessed", address="10.8.0.2")


@pytest.mark.parametrize("is_right", [False, True])
def test_lockout__guesses_at_once__tell_no_more_than_the_slots_allow(*, is_right: bool) -> None:
    who = {"username": unique("guessed"), "address": "10.8.1.1"}
    refuse_locked_out(**who)
    for _ in range(5):
        record_failure(**who)

    with pytest.raises(HttpRefusal, match="locked_out"):
        count_guess(is_right=is_right, **who)


def test_lockout__successes__never_count() -> None:
    user = make_user()

    for _ in range(25):
        nobody.log_in(user)


def _without_trace(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "trace_id"}

"""A forgotten password: who is sent a link, what it does, and for how long."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookwell.contracts.messages import NOTICES
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.errors import ResetLinkInvalid
from bookwell.library.accounts.lockout import record_failure
from bookwell.library.accounts.models import TokenSession, User
from bookwell.library.accounts.passwords import hash_password
from bookwell.library.accounts.rules import LANGUAGES
from bookwell.library.accounts.services import anonymise_user_in_tx, change_user_in_tx
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.audit.models import AuditEntry
from bookwell.library.plumbing.models import OutboxRow
from bookwell.library.web.reset_password import WORDS
from tests.factories import unique
from tests.notices import notice_of, notices_about
from tests.people import PASSWORD, Api, api_as, make_user

pytestmark = pytest.mark.django_db

ASK, SET, PAGE = "/api/password/reset/", "/api/password/", "/accounts/reset-password/"
FRESH = "blue whales sing 3"
NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)

nobody = Api()


def _confirmed(**fields: Any) -> User:
    user = make_user(**fields)
    run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email=user.email))
    return User.objects.get(pk=user.pk)


def _ask(email: str) -> Any:
    return nobody.post(ASK, {"email": email})


def _links(user: User) -> list[str]:
    """The links of the user's mails, in order."""
    mails = [notice.facts["url"] for kind, notice in notices_about(f"user:{user.pk}") if kind == "password_reset"]
    return [urlsplit(url)._replace(scheme="", netloc="").geturl() for url in mails]


def _token(user: User) -> str:
    """That of a link the user was just sent."""
    assert _ask(user.email).status_code == 202
    return _token_of(_links(user)[-1])


def _token_of(link: str) -> str:
    [token] = parse_qs(urlsplit(link).query)["token"]
    return token


def _set(token: str, password: str = FRESH) -> Any:
    return nobody.post(SET, {"token": token, "password": password})


def _change(user: User, **fields: Any) -> None:
    change: Any = {"user_id": user.pk, "fields": fields, "actor_id": 0, "is_admin": True, "now": clock.now()}
    run_in_transaction(lambda: change_user_in_tx(**change))


def _assert_refused(answer: Any, user: User) -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, ResetLinkInvalid.code)
    assert User.objects.get(pk=user.pk).password == user.password


def test_ask__a_confirmed_address_in_any_case__gets_a_link_for_an_hour() -> None:
    with time_machine.travel(NOON, tick=False):
        user = _confirmed(language="pl")

        answer = _ask(user.email.upper())

    assert (answer.status_code, answer.content) == (202, b"")
    [(kind, notice)] = [told for told in notices_about(f"user:{user.pk}") if told[0] == "password_reset"]
    assert (kind, notice.is_mandatory) == ("password_reset", True)
    assert (notice.recipient.email, notice.recipient.language) == (user.email, "pl")
    assert notice.expires_at == NOON + dt.timedelta(hours=1)
    assert notice.facts["url"].startswith("http://127.0.0.1:8013/accounts/reset-password/?token=")


def _deactivated() -> User:
    user = _confirmed()
    _change(user, is_active=False)
    return user


def _of_an_outside_issuer() -> User:
    user = _confirmed()
    user.set_unusable_password()
    user.save()
    return user


STRANGERS: dict[str, Callable[[], str]] = {
    "no account": lambda: f"{unique('none')}@example.org",
    "not confirmed": lambda: make_user().email,
    "deactivated": lambda: _deactivated().email,
    "without a password": lambda: _of_an_outside_issuer().email,
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_ask__whoever_has_no_link_to_get__same_answer_and_as_much_work(kind: str) -> None:
    known, stranger = _confirmed().email, STRANGERS[kind]()

    with CaptureQueriesContext(
        connection,
    ) as for_known:
        to_known = _ask(known)
    last = OutboxRow.objects.latest("pk")
    with CaptureQueriesContext(connection) as for_stranger:
        to_stranger = _ask(stranger)

    assert (to_known.status_code, to_known.content) == (to_stranger.status_code, to_stranger.content) == (202, b"")
    assert to_known.headers.keys() == to_stranger.headers.keys()
    assert [query["sql"][:10] for query in for_known] == [query["sql"][:10] for query in for_stranger]
    [told] = OutboxRow.objects.filter(pk__gt=last.pk)
    assert told.type not in NOTICES
    assert stranger not in told.payload
    assert abs(len(told.payload) - len(last.payload)) < 100


def test_ask__more_than_five_an_hour__same_answer_without_a_mail() -> None:
    user = _confirmed()

    with time_machine.travel(NOON, tick=False):
        answers = [_ask(user.email) for _ in range(7)]

    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 7
    assert len(_links(user)) == 5

    with time_machine.travel(NOON + dt.timedelta(hours=1), tick=False):
        _ask(user.email)

    assert len(_links(user)) == 6


@time_machine.travel(NOON, tick=False)
def test_ask__too_often_from_one_address__is_refused_there_alone() -> None:
    body = {"email": f"{unique('none')}@example.org"}

    answers = [Api(address="203.0.113.7").post(ASK, body) for _ in range(61)]

    assert {answer.status_code for answer in answers[:60]} == {202}
    assert (answers[60].status_code, answers[60].json()["code"]) == (429, "http.too_many_requests")
    assert answers[60]["Retry-After"] == "3600"
    assert Api(address="203.0.113.8").post(ASK, body).status_code == 202


def test_set__with_a_good_link__the_new_password_alone_logs_in_and_all_sessions_end() -> None:
    user = _confirmed()
    api = api_as(user)
    browser = Client()
    browser.force_login(user)
    token = _token(user)

    answer = _set(token)

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.get("/api/me/").status_code == 401
    assert not TokenSession.objects.filter(user=user, revoked_at=None).exists()
    assert nobody.post("/api/login/", {"username": user.username, "password": PASSWORD}).status_code == 401
    assert nobody.log_in(user, FRESH)
    assert [kind for kind, _ in notices_about(f"user:{user.pk}")][-1] == "password_changed"
    entries = AuditEntry.objects.filter(object_type="user", object_id=user.pk, actor_id=user.pk)
    assert {"user.password_reset", "user.changed"} <= set(entries.values_list("action", flat=True))
    assert "_auth_user_id" in browser.session
    assert browser.get("/accounts/confirm-email/x/").wsgi_request.user.is_anonymous


def _guess(username: str, times: int) -> None:
    for _ in range(times):
        record_failure(username=username, address="10.5.0.1")


def test_set__the_account_is_locked_out__is_so_no_more(django_capture_on_commit_callbacks: Any) -> None:
    user, other = _confirmed(), make_user()
    token = _token(user)
    _guess(user.username.upper(), 5)
    _guess(other.username, 5)

    with django_capture_on_commit_callbacks(execute=True):
        answer = _set(token)

    assert answer.status_code == 204
    assert nobody.log_in(user, FRESH)
    refused = nobody.post("/api/login/", {"username": other.username, "password": PASSWORD})
    assert refused.status_code == 429


def test_set__the_address_is_locked_out__is_so_still(django_capture_on_commit_callbacks: Any) -> None:
    user, guesser = _confirmed(), "10.5.0.2"
    token = _token(user)
    for _ in range(20):
        record_failure(username=unique("nobody"), address=guesser)

    with django_capture_on_commit_callbacks(execute=True):
        _set(token)

    body = {"username": user.username, "password": FRESH}
    assert Api(address=guesser).post("/api/login/", body).status_code == 429


def test_set__refused__leaves_the_lockout(django_capture_on_commit_callbacks: Any) -> None:
    user = _confirmed()
    token = _token(user)
    _guess(user.username, 5)

    with django_capture_on_commit_callbacks(execute=True):
        statuses = [_set(token, user.username).status_code, _set(token[:-1]).status_code]

    assert statuses == [422, 422]
    assert nobody.post("/api/login/", {"username": user.username, "password": PASSWORD}).status_code == 429


def test_set__a_second_time_or_with_an_older_link__is_refused() -> None:
    user = _confirmed()
    older, token = _token(user), _token(user)
    assert _set(token).status_code == 204
    user.refresh_from_db()

    for used in (token, older):
        _assert_refused(_set(used, "green whales dive 4"), user)


@pytest.mark.parametrize(("seconds", "status"), [(3600, 204), (3602, 422)])
def test_set__for_an_hour(seconds: int, status: int) -> None:
    with time_machine.travel(NOON, tick=False):
        token = _token(_confirmed())

    with time_machine.travel(NOON + dt.timedelta(seconds=seconds), tick=False):
        assert _set(token).status_code == status


def _deactivate_for_a_while(user: User) -> None:
    for is_active in (False, True):
        _change(user, is_active=is_active)


CHANGES: dict[str, Callable[[User], None]] = {
    "another password": lambda user: _change(user, password=hash_password(PASSWORD)),
    "another address": lambda user: _change(user, email=f"{unique('moved')}@example.org"),
    "deactivated": lambda user: _change(user, is_active=False),
    "deactivated for a while": _deactivate_for_a_while,
    "deleted": lambda user: run_in_transaction(
        lambda: anonymise_user_in_tx(user_id=user.pk, actor_id=0, now=clock.now())
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_set__the_account_changed_since__is_refused(change: str) -> None:
    user = _confirmed()
    token = _token(user)
    CHANGES[change](user)
    user.refresh_from_db()

    _assert_refused(_set(token), user)


@pytest.mark.parametrize(
    "damage",
    [
        lambda token: token[:-1] + ("0" if token[-1] != "0" else "1"),
        lambda token: "9" + token,
        lambda token: token.partition("-")[2],
        lambda _token: "",
        lambda _token: "-",
        lambda _token: f"{'9' * 30}-x-y",
        lambda _token: "٣-x-y",
    ],
)
def test_set__with_a_damaged_token__is_refused(damage: Callable[[str], str]) -> None:
    user = _confirmed()

    _assert_refused(_set(damage(_token(user))), user)


def test_set__with_anothers_token__is_refused() -> None:
    user, other = _confirmed(), _confirmed()
    _, _, signed = _token(other).partition("-")

    _assert_refused(_set(f"{user.pk}-{signed}"), user)


def test_set__a_weak_password__is_refused_with_its_rule_and_the_link_stays_good() -> None:
    user = _confirmed()
    token = _token(user)

    answer = _set(token, user.username)

    assert (answer.status_code, answer.json()["code"]) == (422, "account.password_refused")
    assert ("password_too_similar", "#/password") in {
        (error["code"], error["pointer"]) for error in answer.json()["errors"]
    }
    assert User.objects.get(pk=user.pk).password == user.password
    assert _set(token).status_code == 204


def test_set__the_same_request_again_by_its_key__same_answer() -> None:
    body, key = {"token": _token(_confirmed()), "password": FRESH}, unique("key")

    first, second = (nobody.post(SET, body, **{"Idempotency-Key": key}) for _ in range(2))

    assert first.status_code == second.status_code == 204


def test_page__opened__changes_nothing_and_tells_nobody() -> None:
    user = _confirmed()
    session = api_as(user)
    _ask(user.email)
    [link] = _links(user)

    answers = [Client().get(link), Client().get(link), Client().head(link)]

    assert {answer.status_code for answer in answers} == {200}
    page = answers[0]
    assert page["Referrer-Policy"] == "no-referrer"
    assert page["Cache-Control"] == "no-store"
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in page["Content-Security-Policy"]
    assert '<meta name="robots" content="noindex">' in page.text
    assert f'action="{PAGE}"' in page.text
    assert not page.cookies
    assert User.objects.get(pk=user.pk).password == user.password
    assert session.get("/api/me/").status_code == 200


def _fill_in(link: str, password: str = FRESH, again: str | None = None) -> Any:
    """Send the form of the page as a strict browser would: without a referrer, from no origin."""
    browser = Client(enforce_csrf_checks=True, headers={"Origin": "null"})
    page = browser.get(link)
    [token] = re.findall(r'name="token" value="([^"]+)"', page.text)
    return browser.post(PAGE, {"token": token, "password": password, "again": password if again is None else again})


def test_page__filled_in__sets_the_password_once() -> None:
    user = _confirmed()
    _ask(user.email)
    [link] = _links(user)

    done, again = _fill_in(link), Client().post(PAGE, {"token": _token_of(link), "password": "x", "again": "x"})

    assert (done.status_code, WORDS["en"]["done"] in done.text) == (200, True)
    assert (again.status_code, WORDS["en"]["refused"] in again.text) == (422, True)
    assert again["Content-Type"].startswith("text/html")
    assert nobody.log_in(user, FRESH)


@pytest.mark.parametrize(
    ("password", "again", "told"),
    [
        (FRESH, FRESH + "x", "Пароли не совпадают."),
        ("x9 " * 43, None, "Пароль слишком длинный."),
        ("2718281828459", None, "Введённый пароль состоит только из цифр."),
        ("", None, "Введённый пароль слишком короткий."),
    ],
)
def test_page__a_password_that_is_refused__says_why_in_the_accounts_language_and_asks_again(
    password: str, again: str | None, told: str
) -> None:
    user = _confirmed(language="ru")
    _ask(user.email)
    [link] = _links(user)

    answer = _fill_in(link, password, again)

    assert (answer.status_code, told in answer.text) == (422, True)
    assert User.objects.get(pk=user.pk).password == user.password
    assert _fill_in(link).status_code == 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_page__speaks_the_accounts_language_and_where_the_link_is_bad_the_browsers(language: str) -> None:
    user = _confirmed(language=language)
    _ask(user.email)
    [link] = _links(user)

    asked, done = Client().get(link), _fill_in(link)
    bad = Client(headers={"Accept-Language": "de, pl;q=0.8"}).get(link)

    assert f'<html lang="{language}">' in asked.text
    assert WORDS[language]["button"] in asked.text
    assert WORDS[language]["done"] in done.text
    assert (bad.status_code, WORDS["pl"]["refused"] in bad.text) == (422, True)


def test_words__are_the_same_set_in_every_language() -> None:
    assert set(WORDS) == set(LANGUAGES)
    assert len({frozenset(words) for words in WORDS.values()}) == 1


def _confirmations(mailbox: str) -> int:
    rows = OutboxRow.objects.filter(type__in=["account.confirm_email", "account.known_email"])
    return sum(notice_of(row).recipient.email == mailbox for row in rows)


@time_machine.travel(NOON, tick=False)
def test_register__one_mailbox_more_than_five_times_an_hour__same_answer_without_a_mail() -> None:
    mailbox = f"{unique('flooded')}@example.org"
    bodies = [{"username": unique("new"), "email": mailbox, "password": PASSWORD} for _ in range(7)]

    answers = [nobody.post("/api/register/", body) for body in bodies]

    assert [answer.status_code for answer in answers] == [201] * 7
    assert len({frozenset(answer.json()) for answer in answers}) == 1
    assert _confirmations(mailbox) == 5


@time_machine.travel(NOON, tick=False)
@pytest.mark.parametrize("name", ["", "has space"])
def test_register__refused_for_its_name__counts_for_no_mailbox(name: str) -> None:
    mailbox, taken = f"{unique('chooser')}@example.org", make_user().username
    body = {"username": name or taken, "email": mailbox, "password": PASSWORD}

    answers = [nobody.post("/api/register/", body) for _ in range(5)]
    answers.append(nobody.post("/api/register/", body | {"username": unique("new")}))

    assert [answer.status_code for answer in answers] == [422 if name else 409] * 5 + [201]
    assert _confirmations(mailbox) == 1


@time_machine.travel(NOON, tick=False)
def test_change_email__to_one_mailbox_more_than_five_times_an_hour__is_refused() -> None:
    mailbox = f"{unique('flooded')}@example.org"
    users = [make_user() for _ in range(6)]

    body = {"email": mailbox, "current_password": PASSWORD}
    answers = [api_as(user).patch(f"/api/users/{user.pk}/", body) for user in users]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert User.objects.get(pk=users[5].pk).email == users[5].email
    assert _confirmations(mailbox) == 5

"""The page on which people who forgot their password ask for a link."""

import datetime as dt
import re
from typing import Any

import pytest
import time_machine
from django.test import Client

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.idempotency import TryAgain
from bookwell.library.accounts.models import User
from bookwell.library.accounts.rules import LANGUAGES
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.plumbing.models import OutboxRow
from bookwell.library.web import forgot_password
from bookwell.library.web.forgot_password import WORDS
from tests.factories import unique
from tests.notices import notices_about
from tests.people import Api, make_user

pytestmark = pytest.mark.django_db

PAGE = "/accounts/forgot-password/"
NOON = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def _confirmed(**fields: Any) -> User:
    user = make_user(**fields)
    run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email=user.email))
    return User.objects.get(pk=user.pk)


def _fill_in(email: str, **browser: Any) -> Any:
    """Open the page and send its form, as a browser without JavaScript does."""
    client = Client(enforce_csrf_checks=True, **browser)
    [token] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(PAGE).text)
    return client.post(PAGE, {"email": email, "csrfmiddlewaretoken": token})


def _links(user: User) -> list[str]:
    return [notice.facts["url"] for kind, notice in notices_about(f"user:{user.pk}") if kind == "password_reset"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_page__opened__asks_in_the_browsers_language_and_tells_nobody(language: str) -> None:
    rows = OutboxRow.objects.count()

    page = Client(headers={"Accept-Language": f"de, {language};q=0.8"}).get(PAGE)

    assert page.status_code == 200
    assert f'<html lang="{language}">' in page.text
    assert WORDS[language]["button"] in page.text
    assert page["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in page["Content-Security-Policy"]
    assert page["Cache-Control"] == "no-store"
    assert OutboxRow.objects.count() == rows


def test_page__filled_in_with_a_confirmed_address__mails_its_link() -> None:
    user = _confirmed(language="pl")

    answer = _fill_in(f" {user.email.upper()} ")

    assert (answer.status_code, "<form" in answer.text) == (200, False)
    [link] = _links(user)
    assert Client().get(link.partition("8013")[2]).status_code == 200


def test_page__filled_in_by_a_stranger__says_the_same_and_tells_nobody() -> None:
    known, unconfirmed = _confirmed(), make_user()

    answers = [_fill_in(email) for email in (known.email, unconfirmed.email, f"{unique('none')}@example.org")]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert not _links(unconfirmed)
    assert OutboxRow.objects.filter(type="account.unknown_email").count() == 2


def test_page__from_elsewhere__is_refused() -> None:
    user = _confirmed()

    answer = Client(enforce_csrf_checks=True).post(PAGE, {"email": user.email})

    assert answer.status_code == 403
    assert not _links(user)


@pytest.mark.parametrize(
    "typed", ["", "nobody", '"><b>x</b>', f"{'a' * 250}@example.org", "a@b@example.org", "\0@b.org"]
)
def test_page__no_address__asks_again(typed: str) -> None:
    rows = OutboxRow.objects.count()

    answer = _fill_in(typed, headers={"Accept-Language": "pl"})

    assert (answer.status_code, WORDS["pl"]["no_address"] in answer.text) == (422, True)
    assert "<b>" not in answer.text
    assert "<form" in answer.text
    assert OutboxRow.objects.count() == rows


@time_machine.travel(NOON, tick=False)
def test_page__the_mailbox_got_five_links_by_the_api__says_the_same_and_sends_none() -> None:
    user = _confirmed()
    for _ in range(5):
        Api().post("/api/password/reset/", {"email": user.email})

    answer = _fill_in(user.email)

    assert (answer.status_code, WORDS["en"]["done"] in answer.text) == (200, True)
    assert len(_links(user)) == 5


@time_machine.travel(NOON, tick=False)
def test_page__too_often_from_one_network__says_when_to_come_back() -> None:
    body, address = {"email": f"{unique('none')}@example.org"}, "203.0.113.77"
    for _ in range(60):
        Api(address=address).post("/api/password/reset/", body)

    answer = _fill_in(body["email"], REMOTE_ADDR=address)

    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert WORDS["en"]["too_many"] in answer.text


def test_page__the_database_is_busy__says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise TryAgain

    monkeypatch.setattr(forgot_password, "offer_password_reset", refuse)

    answer = _fill_in(f"{unique('none')}@example.org")

    assert (answer.status_code, WORDS["en"]["failed"] in answer.text) == (503, True)


def test_page__is_where_the_admins_log_in_and_a_bad_link_lead_to() -> None:
    log_in, bad_link = Client().get("/admin/login/"), Client().get("/accounts/reset-password/?token=1-x-y")

    assert f'href="{PAGE}"' in log_in.text
    assert f'href="{PAGE}"' in bad_link.text


def test_words__are_the_same_set_in_every_language() -> None:
    assert set(WORDS) == set(LANGUAGES)
    assert len({frozenset(words) for words in WORDS.values()}) == 1

"""Confirming an address by the link in its mail."""

import datetime as dt
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client
from django.urls import resolve

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.accounts.errors import ConfirmationInvalid, EmailTaken
from bookwell.library.accounts.models import User
from bookwell.library.accounts.rules import LANGUAGES
from bookwell.library.accounts.services.emails import confirm_email_in_tx
from bookwell.library.plumbing.models import OutboxRow
from bookwell.library.web.confirm_email import WORDS
from tests.factories import unique
from tests.notices import notices_about
from tests.people import PASSWORD, Api, api_as, make_user

pytestmark = pytest.mark.django_db


def _sign_up(email: str) -> User:
    body = {"username": unique("new"), "email": email, "password": PASSWORD}
    return User.objects.get(pk=Api().post("/api/register/", body).json()["id"])


def _link(user: User) -> str:
    row = (
        OutboxRow.objects.filter(aggregate=f"user:{user.pk}", queue="mail").exclude(type="account.email_changed").last()
    )
    assert row is not None
    url: str = json.loads(row.payload)["facts"]["url"]
    return url.removeprefix("http://127.0.0.1:8013")


def _press(link: str) -> Any:
    browser = Client()
    assert browser.get(link).status_code == 200
    return browser.post(link)


def test_links__of_every_kind__lead_to_a_page() -> None:
    for url in settings.HEADLESS_FRONTEND_URLS.values():
        assert resolve(urlsplit(url).path.format(key="key"))


def test_link__opened_alone__confirms_nothing() -> None:
    user = _sign_up("opened@example.org")

    answer = Client().get(_link(user))

    assert answer.status_code == 200
    assert User.objects.get(pk=user.pk).confirmed_email is None


def test_link__button_pressed__confirms() -> None:
    user = _sign_up("Pressed@example.org")

    answer = _press(_link(user))

    assert answer.status_code == 200
    assert User.objects.get(pk=user.pk).confirmed_email == "pressed@example.org"
    assert api_as(user).get("/api/me/").json()["is_email_confirmed"] is True


def test_link__used_twice_or_damaged__is_refused() -> None:
    user = _sign_up("twice@example.org")
    link = _link(user)
    _press(link)

    for used_or_damaged in (link, link[:-4] + "xxx/"):
        answer = _press(used_or_damaged)
        assert answer.status_code == 422
        assert answer["Content-Type"].startswith("text/html")
        assert ConfirmationInvalid.title in answer.content.decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_page__speaks_the_accounts_language_and_where_the_link_is_bad_the_browsers(language: str) -> None:
    user = _sign_up(f"{unique('page')}@example.org")
    User.objects.filter(pk=user.pk).update(language=language)
    link, browser = _link(user), Client(headers={"Accept-Language": "de, pl;q=0.8, ru;q=0.7"})

    asked, confirmed, again = browser.get(link), browser.post(link), browser.post(link)

    assert f'<html lang="{language}">' in asked.text
    assert WORDS[language]["button"] in asked.text
    assert WORDS[language]["done"] in confirmed.text
    assert (again.status_code, WORDS["pl"]["refused"] in again.text) == (422, True)


def test_page__the_address_is_anothers_by_now__says_so_in_the_accounts_language() -> None:
    first, second = _sign_up("shared@example.org"), _sign_up("shared@example.org")
    User.objects.filter(pk=second.pk).update(language="ru")
    User.objects.filter(pk=first.pk).update(confirmed_email="shared@example.org")

    answer = Client().post(_link(second))

    assert (answer.status_code, WORDS["ru"]["taken"] in answer.text) == (409, True)


def test_words__are_the_same_set_in_every_language() -> None:
    assert set(WORDS) == set(LANGUAGES)
    assert len({frozenset(words) for words in WORDS.values()}) == 1


def test_link__of_a_former_address__is_refused() -> None:
    user = _sign_up("former@example.org")
    link = _link(user)
    api_as(user).patch(f"/api/users/{user.pk}/", {"email": "present@example.org", "current_password": PASSWORD})

    answer = _press(link)

    assert answer.status_code == 422
    assert User.objects.get(pk=user.pk).confirmed_email is None
    assert _press(_link(user)).status_code == 200
    assert User.objects.get(pk=user.pk).confirmed_email == "present@example.org"


def test_link__of_two_claimants__the_first_to_press_has_the_address() -> None:
    first, second = _sign_up("both@example.org"), _sign_up("both@example.org")
    links = [_link(first), _link(second)]

    answers = [_press(link).status_code for link in reversed(links)]

    assert answers[0] == 200
    assert answers[1] in (409, 422)
    assert User.objects.get(confirmed_email="both@example.org").pk == second.pk


def test_change_email__a_confirmed_address__is_unconfirmed_until_asked_again() -> None:
    user = make_user()
    User.objects.filter(pk=user.pk).update(confirmed_email=user.email)

    body = {"email": f"{unique('moved')}@example.org", "current_password": PASSWORD}
    api_as(user).patch(f"/api/users/{user.pk}/", body)

    assert User.objects.get(pk=user.pk).confirmed_email is None


def test_confirm__an_address_that_changed_meanwhile__is_refused() -> None:
    user = make_user()

    with pytest.raises(ConfirmationInvalid):
        run_in_transaction(lambda: confirm_email_in_tx(user_id=user.pk, email="before@example.org"))

    assert User.objects.get(pk=user.pk).confirmed_email is None


def test_link__says_in_its_mail_until_when_it_is_good() -> None:
    with time_machine.travel("2026-05-04T12:00:00Z", tick=False):
        user = _sign_up("soon@example.org")

    [(kind, notice)] = notices_about(f"user:{user.pk}")
    assert (kind, notice.is_mandatory) == ("confirm_email", True)
    assert notice.expires_at == dt.datetime(2026, 5, 7, 12, tzinfo=dt.UTC)


@pytest.mark.only_on("postgresql", "sqlite")  # others have no unique index of some rows
def test_address__two_requests_confirm_it_at_once__is_taken_for_the_second() -> None:
    first, second = make_user(), make_user()

    def confirm(user: User) -> None:
        EmailAddress.objects.create(user=user, email="raced@example.org", primary=False, verified=True)

    run_in_transaction(lambda: confirm(first))
    with pytest.raises(EmailTaken):
        run_in_transaction(lambda: confirm(second))

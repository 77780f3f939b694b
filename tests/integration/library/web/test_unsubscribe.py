"""Having no more reminders, by the link in one."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookwell.kit.idempotency import TryAgain
from bookwell.library.accounts.models import User
from bookwell.library.accounts.rules import LANGUAGES
from bookwell.library.accounts.unsubscribing import unsubscribe_url_of
from bookwell.library.audit.models import AuditEntry
from bookwell.library.circulation.services import close_reader
from bookwell.library.web import unsubscribe
from bookwell.library.web.unsubscribe import WORDS
from tests.factories import LIBRARIAN, ReaderFactory
from tests.people import api_as, make_user

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def _link(user: User) -> str:
    return unsubscribe_url_of(user.pk).removeprefix("http://127.0.0.1:8013")


def _wants_reminders(user: User) -> bool:
    return User.objects.get(pk=user.pk).wants_reminders


def _press(link: str) -> Any:
    """As a mail program does: without cookies, and with nobody who could follow a redirect."""
    return Client(enforce_csrf_checks=True).post(link, ONE_CLICK)


def test_unsubscribe_link__opened__shows_a_button_and_changes_nothing() -> None:
    user = ReaderFactory.create()

    with CaptureQueriesContext(connection) as captured:
        response = Client().get(_link(user))

    assert response.status_code == 200
    assert response["Content-Security-Policy"].startswith("default-src 'none'")
    assert response.content.decode().count("<button>") == 1
    assert all(query["sql"].startswith("SELECT") for query in captured)
    assert _wants_reminders(user)


def test_unsubscribe_link__pressed__turns_reminders_off_with_a_trace() -> None:
    user = ReaderFactory.create()

    response = _press(_link(user))

    assert (response.status_code, "<button>" in response.content.decode()) == (200, False)
    assert not _wants_reminders(user)
    entry = AuditEntry.objects.get(action="user.changed", object_id=user.pk)
    assert (entry.actor_id, entry.data) == (user.pk, '{"fields":["wants_reminders"]}')


def test_unsubscribe_link__pressed_twice__changes_once() -> None:
    user = ReaderFactory.create()

    statuses = [_press(_link(user)).status_code for _ in range(2)]

    assert statuses == [200, 200]
    assert AuditEntry.objects.filter(action="user.changed", object_id=user.pk).count() == 1
    assert "<button>" not in Client().get(_link(user)).content.decode()


def test_unsubscribe_link__the_database_is_busy__is_not_called_a_bad_link(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise TryAgain

    user = ReaderFactory.create()
    monkeypatch.setattr(unsubscribe, "change_user_in_tx", refuse)

    response = _press(_link(user))

    assert (response.status_code, WORDS["en"]["failed"] in response.text) == (503, True)
    assert _wants_reminders(user)


@pytest.mark.parametrize("change", [lambda link: link[:-2] + "~/", lambda link: re.sub(r"/\d+:", "/987654:", link)])
def test_unsubscribe_link__damaged__is_refused_and_nothing_changes(change: Any) -> None:
    user = ReaderFactory.create()

    response = _press(change(_link(user)))

    assert (response.status_code, response["Content-Type"]) == (422, "text/html; charset=utf-8")
    assert WORDS["en"]["refused"] in response.content.decode()
    assert _wants_reminders(user)
    assert not AuditEntry.objects.filter(action="user.changed").exists()


def test_unsubscribe_link__of_a_closed_account__is_refused_in_the_browsers_language() -> None:
    user = ReaderFactory.create()
    close_reader(reader_id=user.pk, actor=LIBRARIAN, now=user.created_at)

    response = Client().get(_link(user), headers={"Accept-Language": "pl"})

    assert response.status_code == 404
    assert WORDS["pl"]["refused"] in response.content.decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_unsubscribe_page__speaks_the_readers_language(language: str) -> None:
    user = ReaderFactory.create(language=language)

    asked, done = Client().get(_link(user)).content.decode(), _press(_link(user)).content.decode()

    assert f'<html lang="{language}">' in asked
    assert WORDS[language]["button"] in asked
    assert user.username in asked
    assert WORDS[language]["done"] in done


def test_unsubscribe_words__are_the_same_set_in_every_language() -> None:
    assert set(WORDS) == set(LANGUAGES)
    assert len({frozenset(words) for words in WORDS.values()}) == 1


def test_profile__shows_and_changes_reminders_and_channels() -> None:
    user = make_user()
    api = api_as(user)
    before = api.get("/api/me/").json()

    answer = api.patch("/api/me/", {"wants_reminders": False, "channels": [], "language": "ru"})

    assert (before["wants_reminders"], before["channels"]) == (True, ["email"])
    after = answer.json()
    assert (answer.status_code, after["wants_reminders"], after["channels"]) == (200, False, [])
    assert after["language"] == "ru"
    assert api.patch("/api/me/", {"wants_reminders": True}).json()["wants_reminders"] is True

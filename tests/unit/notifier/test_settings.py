"""The notifier's settings refuse what would go wrong later, and name the variable."""

from email.utils import parseaddr

import pytest

from bookwell.kit.settings import InvalidSettings
from bookwell.notifier.settings import NotifierSettings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BOOKWELL_SMTP_URL", "smtp://user:hush@"),
        ("BOOKWELL_MAIL_FROM", "nobody"),
        ("BOOKWELL_MAIL_FROM", "hush@-"),
        ("BOOKWELL_MAIL_FROM", "Żółw <żółw@example.org>"),
        ("BOOKWELL_MAIL_FROM", "Ada <ada@example.org>\r\nBcc: x@y.z"),
        ("BOOKWELL_MAIL_LEASE_SECONDS", "21"),
        ("BOOKWELL_MAIL_PER_SECOND", "-1"),
        ("BOOKWELL_ISSUERS", "https://issuer.example"),
        ("BOOKWELL_STAFF_EMAIL", "hush"),
        ("BOOKWELL_STAFF_LANGUAGE", "de"),
    ],
)
def test_load__a_wrong_value__names_the_variable_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings) as refusal:
        NotifierSettings.load()

    assert variable in str(refusal.value)
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("Library <library@example.org>", "Library <library@example.org>"),
        ("library@bücherei.example", "library@xn--bcherei-n2a.example"),
        ('"Bibliothek \\"Süd\\", A" <a@bücherei.example>', '"Bibliothek \\"Süd\\", A" <a@xn--bcherei-n2a.example>'),
    ],
)
def test_load__a_sender__has_a_domain_that_every_server_takes(written: str, taken: str) -> None:
    settings = NotifierSettings(mail_from=written)

    assert settings.mail_from == taken
    assert parseaddr(taken)[0] == parseaddr(written)[0]


def test_load__in_production__needs_a_server_a_database_and_a_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_MODE", "production")

    with pytest.raises(InvalidSettings) as refusal:
        NotifierSettings.load("worker")
    server, _ = NotifierSettings.examine("server")

    assert "BOOKWELL_SMTP_URL" in str(refusal.value)
    assert "BOOKWELL_NOTIFIER_DATABASE_URL" in str(refusal.value)
    assert "BOOKWELL_MAIL_FROM" in str(refusal.value)
    assert server == ["BOOKWELL_NOTIFIER_DATABASE_URL: needed in production"]


def test_load__production_with_what_strangers_can_read__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_SMS_URL", "http://sms.example/send")
    monkeypatch.setenv("BOOKWELL_SMTP_URL", "smtp+starttls://user:password@mail.example.org")

    problems, _ = NotifierSettings.examine()

    assert {line.partition(":")[0] for line in problems} >= {"BOOKWELL_SMS_URL", "BOOKWELL_SMTP_URL"}


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("smtp://me:chosen-by-us@mail.example.org", True),
        ("smtp://me:chosen-by-us@10.0.0.5:2525", True),
        ("smtp://mail.example.org", False),
        ("smtp://me:chosen-by-us@127.0.0.1", False),
        ("smtp://me:chosen-by-us@localhost", False),
        ("smtp+starttls://me:chosen-by-us@mail.example.org", False),
        ("smtps://me:chosen-by-us@mail.example.org", False),
    ],
)
def test_load__production_that_sends_its_password_over_plain_smtp__is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str, is_refused: bool
) -> None:
    monkeypatch.setenv("BOOKWELL_MODE", "production")
    monkeypatch.setenv("BOOKWELL_SMTP_URL", url)

    problems, _ = NotifierSettings.examine("worker")

    assert any("unencrypted" in line for line in problems) is is_refused
    assert not any("chosen-by-us" in line for line in problems)


def test_load__nothing_set__trusts_the_library_on_this_machine() -> None:
    assert [each.issuer for each in NotifierSettings.load().issuers_with_library] == ["http://127.0.0.1:8013"]

"""The tests' own SMTP server keeps what it accepts and misbehaves as told."""

import smtplib
import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.mail_sink import Behaviour, MailSink, Rule, mail_sink


def test_sink__killed_and_started_again__has_kept_what_it_accepted(tmp_path: Path) -> None:
    with mail_sink(tmp_path) as sink:
        _send(sink, "a@example.org")
        sink.kill()
        with (tmp_path / "accepted.jsonl").open("ab") as stream:
            stream.write(b'{"half a')
        sink.start()
        _send(sink, "b@example.org")

        mails = sink.mails()

    assert [(mail.to, mail.subject, mail.message_id) for mail in mails] == [
        ("a@example.org", "Zażółć", "<1@example.org>"),
        ("b@example.org", "Zażółć", "<1@example.org>"),
    ]
    assert mails[0].parts == {"text/plain": "gęślą\n"}


@pytest.mark.parametrize(("do", "code"), [("refuse", 550), ("later", 451)])
def test_sink__an_address_is_refused__another_is_not(tmp_path: Path, do: Behaviour, code: int) -> None:
    with mail_sink(tmp_path, Rule("bad@*", do, times=1)) as sink:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            _send(sink, "bad@example.org")
        _send(sink, "good@example.org")
        _send(sink, "bad@example.org")

        assert refusal.value.recipients["bad@example.org"][0] == code
        assert [mail.to for mail in sink.mails()] == ["good@example.org", "bad@example.org"]


def test_sink__drops_the_connection_after_the_data__has_kept_the_mail(tmp_path: Path) -> None:
    with mail_sink(tmp_path, Rule("*", "drop_after_data")) as sink:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            _send(sink, "a@example.org")

        assert sink.count() == 1


def test_sink__accepts_slowly__keeps_the_mail_first(tmp_path: Path) -> None:
    with mail_sink(tmp_path, Rule("*", "accept_slowly", seconds=0.5)) as sink:
        began = time.monotonic()
        _send(sink, "a@example.org")

        assert time.monotonic() - began >= 0.5
        assert sink.count() == 1


@pytest.mark.parametrize("do", ["never_answer", "drip"])
def test_sink__does_not_come_to_an_end__has_kept_nothing(tmp_path: Path, do: Behaviour) -> None:
    with mail_sink(tmp_path, Rule("*", do, seconds=2)) as sink:
        began = time.monotonic()
        with pytest.raises(smtplib.SMTPResponseException):
            _send(sink, "a@example.org")

        assert time.monotonic() - began >= 2
        assert sink.count() == 0


def _send(sink: MailSink, to: str) -> None:
    message = EmailMessage()
    message["Subject"], message["Message-ID"], message["To"] = "Zażółć", "<1@example.org>", to
    message.set_content("gęślą\n")
    with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
        client.send_message(message, from_addr="library@example.org", to_addrs=[to])

"""The whole notifier against real SMTP servers: templates, headers, and what each answer leaves in the rows."""

import datetime as dt
import socket
from collections.abc import Callable, Iterator

import pytest
import time_machine

from bookwell.kit import clock
from bookwell.notifier.db import Database
from bookwell.notifier.service import Notifier
from bookwell.notifier.settings import NotifierSettings
from tests.mail_servers import MailServerThread, hostile_server, mail_server
from tests.notifying import an_envelope, attempts_of, deliveries_of

_HURRY = {"smtp_deadline_seconds": 0.5, "mail_lease_seconds": 1}


@pytest.fixture
def server() -> Iterator[MailServerThread]:
    with mail_server() as running:
        yield running


@pytest.fixture
def make(database: Database) -> Iterator[Callable[..., Notifier]]:
    """Makes notifiers that send to a port, and closes them."""
    made: list[Notifier] = []

    def make_one(port: int, **settings: object) -> Notifier:
        values = {"smtp_url": f"smtp://127.0.0.1:{port}", "mail_from": "Library <desk@library.example>"} | settings
        made.append(Notifier(NotifierSettings.model_validate(values), database=database))
        return made[-1]

    yield make_one
    for notifier in made:
        notifier.close()


def test_deliver__a_ready_reservation__arrives_whole_in_the_readers_language(
    database: Database, server: MailServerThread, make: Callable[..., Notifier]
) -> None:
    hostile = 'Zażółć"\r\nBcc: x@y.z <b>'
    recipient = {"reference": "user:5", "name": hostile, "email": "r@example.org", "language": "pl"}
    envelope = an_envelope(recipient=recipient | {"channels": ["email"]}, unsubscribe_url="https://l.example/u/1")
    notifier = make(server.port)

    notifier.take_in([envelope])
    notifier.deliver([envelope])

    (row,) = deliveries_of(database)
    (mail,) = server.accepted
    message = mail.message
    assert (row.state, mail.sender, mail.recipients) == ("sent", "desk@library.example", ("r@example.org",))
    assert message["Message-ID"] == f"<{row.id}@library.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None  # whatever its source says
    assert message["Bcc"] is None
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "Solaris" in plain.get_content()
    assert 'lang="pl"' in html.get_content()
    (calendar,) = message.iter_attachments()
    assert f"METHOD:{calendar.get_param('method')}" in calendar.get_content()


def test_deliver__a_reminder__can_be_unsubscribed_with_one_click(
    server: MailServerThread, make: Callable[..., Notifier]
) -> None:
    envelope = an_envelope(kind="reservation.pickup_reminder", unsubscribe_url="https://l.example/u/1")
    notifier = make(server.port)

    notifier.take_in([envelope])
    notifier.deliver([envelope])

    (mail,) = server.accepted
    assert mail.message["List-Unsubscribe"] == "<https://l.example/u/1>"
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_deliver__each_answer_of_the_server__leaves_its_state_and_its_words(
    database: Database, server: MailServerThread, make: Callable[..., Notifier]
) -> None:
    server.answers = {"gone@example.org": ["550 5.1.1 gone"], "full@example.org": ["452 4.2.2 full"]}
    envelopes = [
        an_envelope(aggregate=f"reservation:{index}", email=f"{name}@example.org")
        for index, name in enumerate(["gone", "full", "fine"])
    ]
    notifier = make(server.port)

    notifier.take_in(envelopes)
    notifier.deliver(envelopes)

    gone, full, fine = deliveries_of(database)
    assert [row.state for row in (gone, full, fine)] == ["failed", "queued", "sent"]
    assert gone.reason == "RCPT: 550 5.1.1 gone"
    assert [(each.code, each.answer) for each in attempts_of(database, full.id)] == [(452, "RCPT: 452 4.2.2 full")]
    assert [mail.recipients for mail in server.accepted] == [("fine@example.org",)]
    with time_machine.travel(clock.now() + dt.timedelta(seconds=10)):
        notifier.deliver_due()
    assert [row.state for row in deliveries_of(database)] == ["failed", "sent", "sent"]


def test_deliver__an_answer_that_gets_lost__sends_the_mail_again_under_the_same_id(
    database: Database, make: Callable[..., Notifier]
) -> None:
    seen: list[bytes] = []

    def keep_and_hang_up(line: socket.socket) -> None:
        line.sendall(b"220 hello\r\n")
        for answer in (b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
            line.recv(1000)
            line.sendall(answer)
        content = b""
        while not content.endswith(b"\r\n.\r\n"):
            content += line.recv(10_000)
        seen.append(content.removesuffix(b".\r\n"))
        line.shutdown(socket.SHUT_RDWR)

    envelope = an_envelope()
    with hostile_server(keep_and_hang_up) as port:
        notifier = make(port)
        notifier.take_in([envelope])
        notifier.deliver([envelope])
    (waiting,) = deliveries_of(database)
    with mail_server(port=port) as server, time_machine.travel(clock.now() + dt.timedelta(seconds=10)):
        notifier.deliver_due()

    assert waiting.state == "queued"
    assert [mail.content for mail in server.accepted] == seen
    assert deliveries_of(database)[0].state == "sent"


def test_deliver__a_server_that_never_answers__keeps_nobody_longer_than_the_deadline(
    database: Database, make: Callable[..., Notifier]
) -> None:
    def say_nothing(line: socket.socket) -> None:
        line.recv(1)

    envelopes = [an_envelope(aggregate=f"reservation:{index}") for index in range(3)]
    with hostile_server(say_nothing) as port:
        notifier = make(port, **_HURRY)
        notifier.take_in(envelopes)
        notifier.deliver(envelopes)

    rows = deliveries_of(database)
    assert {row.state for row in rows} == {"queued"}
    assert sorted(row.attempts for row in rows) == [0, 0, 1]
    assert sorted(row.reason for row in rows) == ["", "", "connecting: no answer in time"]

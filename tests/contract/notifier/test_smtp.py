"""The SMTP transport against real and misbehaving servers on loopback."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bookwell.notifier.addresses import parse_mail_url
from bookwell.notifier.channels.protocol import Parcel
from bookwell.notifier.channels.smtp import SmtpTransport
from bookwell.notifier.deliveries.rules import AttemptOutcome
from tests.infrastructure.servers import free_port
from tests.mail_servers import a_certificate, drip, hostile_server, mail_server, only

_DEADLINE = 0.5
_GREETING = b"220 hello\r\n"


def _parcel(recipient: str = "reader@example.org", *, content: bytes = b"Subject: x\r\n\r\n.dot\r\n") -> Parcel:
    return Parcel("d-1", "library@example.org", recipient, content, recipient.isascii())


def _transport(
    port: int, *, scheme: str = "smtp", login: str = "", context: ssl.SSLContext | None = None, deadline: float = 5
) -> SmtpTransport:
    server = parse_mail_url(f"{scheme}://{login}127.0.0.1:{port}")
    return SmtpTransport(server, deadline_seconds=deadline, context=context)


def test_send__a_server_that_accepts__gets_the_mail_whole_on_one_connection() -> None:
    with mail_server() as server:
        transport = _transport(server.port)
        verdicts = [transport.send(_parcel(f"r{number}@example.org")) for number in range(3)]
        transport.close()

    assert {verdict.outcome for verdict in verdicts} == {AttemptOutcome.ACCEPTED}
    assert verdicts[0].answer == "DATA: 250 2.0.0 kept"
    assert [mail.recipients for mail in server.accepted] == [(f"r{number}@example.org",) for number in range(3)]
    assert server.accepted[0].content == b"Subject: x\r\n\r\n.dot\r\n"
    assert len({mail.peer for mail in server.accepted}) == 1


def test_send__a_connection_that_the_server_closed__is_opened_again() -> None:
    port = free_port()
    transport = _transport(port)
    with mail_server(port=port) as first:
        transport.send(_parcel())
    with mail_server(port=port) as second:
        verdict = transport.send(_parcel())
        transport.close()

    assert verdict.outcome is AttemptOutcome.ACCEPTED
    assert (len(first.accepted), len(second.accepted)) == (1, 1)


def test_send__from_many_threads__each_has_a_connection_and_every_mail_arrives() -> None:
    with mail_server() as server:
        transport = _transport(server.port)

        def send() -> None:
            for _ in range(10):
                transport.send(_parcel())

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        transport.close()

    assert len(server.accepted) == 40
    assert len({mail.peer for mail in server.accepted}) <= 4


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 5.1.1 no such user", AttemptOutcome.REFUSED),
        ("452 4.2.2 full", AttemptOutcome.TRANSIENT),
        ("421 4.3.2 closing", AttemptOutcome.UNREACHABLE),
    ],
)
def test_send__an_answer_to_the_recipient__decides_and_the_next_mail_goes(answer: str, outcome: AttemptOutcome) -> None:
    with mail_server() as server:
        server.answers["bad@example.org"] = [answer]
        transport = _transport(server.port)
        verdict = transport.send(_parcel("bad@example.org"))
        after = transport.send(_parcel())
        transport.close()

    assert (verdict.outcome, verdict.code, verdict.answer) == (outcome, int(answer[:3]), f"RCPT: {answer}")
    assert after.outcome is AttemptOutcome.ACCEPTED


def test_send__content_that_the_server_does_not_want__is_refused_for_good() -> None:
    with mail_server() as server:
        server.content_answers.append("554 5.7.1 spam")
        transport = _transport(server.port)
        verdict = transport.send(_parcel())
        transport.close()

    assert (verdict.outcome, verdict.answer) == (AttemptOutcome.REFUSED, "DATA: 554 5.7.1 spam")


def test_send__nobody_listens__is_unreachable_at_once() -> None:
    verdict = _transport(free_port()).send(_parcel())

    assert verdict.outcome is AttemptOutcome.UNREACHABLE
    assert "refused" in verdict.answer.lower(), verdict


def test_send__an_address_outside_of_ascii__goes_by_smtputf8_or_is_refused() -> None:
    with mail_server(enable_SMTPUTF8=True) as server:
        transport = _transport(server.port)
        sent = transport.send(_parcel("żółw@example.org"))
        plain = transport.send(_parcel())
        transport.close()
    with mail_server(enable_SMTPUTF8=False) as old_server:
        transport = _transport(old_server.port)
        refused = transport.send(_parcel("żółw@example.org"))
        transport.close()

    assert (sent.outcome, plain.outcome) == (AttemptOutcome.ACCEPTED, AttemptOutcome.ACCEPTED)
    assert server.accepted[0].recipients == ("żółw@example.org",)
    assert (refused.outcome, refused.answer) == (
        AttemptOutcome.REFUSED,
        "the server takes ASCII addresses alone",
    )


def test_send__starttls_and_a_password__are_used(tmp_path: Path) -> None:
    server_tls, client_tls = a_certificate(tmp_path)
    options: dict[str, Any] = {"tls_context": server_tls, "auth_required": True, "authenticator": only("ada", "p@ss")}
    with mail_server(**options) as server:
        good = _transport(server.port, scheme="smtp+starttls", login="ada:p%40ss@", context=client_tls)
        wrong = _transport(server.port, scheme="smtp+starttls", login="ada:wrong@", context=client_tls)
        verdicts = good.send(_parcel()), wrong.send(_parcel())
        good.close()
        wrong.close()

    assert [verdict.outcome for verdict in verdicts] == [AttemptOutcome.ACCEPTED, AttemptOutcome.UNREACHABLE]
    assert verdicts[1].code == 535
    assert len(server.accepted) == 1


def test_send__a_certificate_that_nobody_vouches_for__is_not_talked_to(tmp_path: Path) -> None:
    server_tls, _ = a_certificate(tmp_path)
    with mail_server(tls_context=server_tls) as server:
        verdict = _transport(server.port, scheme="smtp+starttls").send(_parcel())

    assert verdict.outcome is AttemptOutcome.UNREACHABLE
    assert server.accepted == []


def _never_answers(line: socket.socket) -> None:
    line.recv(1)


def _greets_then_hangs(line: socket.socket) -> None:
    line.sendall(_GREETING)
    while line.recv(1000):
        pass


def _drips_its_greeting(line: socket.socket) -> None:
    drip(line, b"220-" + b"x" * 100_000)


def _drips_lines(line: socket.socket) -> None:
    while True:
        line.sendall(b"220-one moment\r\n")
        time.sleep(0.05)


def _goes_as_far_as_the_content(line: socket.socket) -> None:
    line.sendall(_GREETING)
    for answer in (b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
        line.recv(1000)
        line.sendall(answer)


def _reads_nothing(line: socket.socket) -> None:
    _goes_as_far_as_the_content(line)
    left = select.poll()
    left.register(line, select.POLLRDHUP)
    left.poll()


@pytest.mark.timeout(60)  # none of them ever comes to an end
@pytest.mark.parametrize(
    ("scheme", "talk"),
    [
        ("smtp", _never_answers),
        ("smtps", _never_answers),
        ("smtp", _greets_then_hangs),
        ("smtp", _drips_its_greeting),
        ("smtp", _drips_lines),
        ("smtp", _reads_nothing),
    ],
)
def test_send__a_server_that_wastes_time__is_left_at_the_deadline(
    scheme: str, talk: Callable[[socket.socket], None]
) -> None:
    with hostile_server(talk) as port:
        transport = _transport(port, scheme=scheme, deadline=_DEADLINE)
        verdict = transport.send(_parcel(content=b"Subject: x\r\n\r\n" + b"x" * 20_000_000))

    assert verdict.outcome in (AttemptOutcome.TRANSIENT, AttemptOutcome.UNREACHABLE)
    assert verdict.answer.endswith("no answer in time")


@pytest.mark.timeout(60)
def test_send__a_tls_server_that_drips__is_left_at_the_deadline(tmp_path: Path) -> None:
    server_tls, client_tls = a_certificate(tmp_path)

    def talk(line: socket.socket) -> None:
        with server_tls.wrap_socket(line, server_side=True) as secret:
            while True:
                secret.sendall(b"220-one moment\r\n")
                time.sleep(0.05)

    with hostile_server(talk) as port:
        transport = _transport(port, scheme="smtps", context=client_tls, deadline=_DEADLINE)
        verdict = transport.send(_parcel())

    assert (verdict.outcome, verdict.answer) == (AttemptOutcome.UNREACHABLE, "connecting: no answer in time")


def test_send__the_line_breaks_after_the_content__is_tried_again() -> None:
    def talk(line: socket.socket) -> None:
        _goes_as_far_as_the_content(line)
        line.recv(1000)
        line.shutdown(socket.SHUT_RDWR)

    with hostile_server(talk) as port:
        verdict = _transport(port).send(_parcel())

    assert verdict.outcome is AttemptOutcome.TRANSIENT
    assert verdict.answer.startswith("DATA: ")


def test_send__an_answer_with_bytes_that_are_no_text__is_told_as_text_on_one_line() -> None:
    def talk(line: socket.socket) -> None:
        _goes_as_far_as_the_content(line)
        line.recv(1000)
        line.sendall(b"250-queued \x00\x1b[2J\r\n250 as 1\r\n")

    with hostile_server(talk) as port, hostile_server(lambda line: line.sendall(b"554 no \x00 service\r\n")) as shut:
        transport = _transport(port)
        accepted = transport.send(_parcel())
        transport.close()
        turned_away = _transport(shut).send(_parcel())

    assert (accepted.outcome, accepted.answer) == (AttemptOutcome.ACCEPTED, "DATA: 250 queued [2J as 1")
    assert (turned_away.outcome, turned_away.answer) == (AttemptOutcome.UNREACHABLE, "connecting: 554 no service")

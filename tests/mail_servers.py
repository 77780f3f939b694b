"""SMTP servers in a thread of the test: a real one, and some that misbehave below SMTP."""

import datetime as dt
import email
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.infrastructure.servers import free_port

__all__ = ["Accepted", "MailServerThread", "a_certificate", "drip", "hostile_server", "mail_server", "only"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A mail that the server took."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    peer: tuple[str, int]

    @property
    def message(self) -> EmailMessage:
        """Parsed."""
        parsed = email.message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass(slots=True)
class MailServerThread:
    """aiosmtpd's handler and what a test asks of it; `answers` by recipient replace 250."""

    port: int
    answers: dict[str, list[str]] = field(default_factory=dict)
    content_answers: list[str] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, rcpt_options: list[str]
    ) -> str:
        answers = self.answers.get(address)
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        if self.content_answers:
            return self.content_answers.pop(0)
        self.accepted.append(
            Accepted(envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content or b"", session.peer)
        )
        return "250 2.0.0 kept"


@contextmanager
def mail_server(*, port: int = 0, **options: Any) -> Iterator[MailServerThread]:
    """A real SMTP server on loopback; `options` go to aiosmtpd."""
    handler = MailServerThread(port or free_port())
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port, ready_timeout=10, **options)
    controller.start()
    try:
        yield handler
    finally:
        controller.stop()


def only(username: str, password: str) -> Callable[..., AuthResult]:
    """An authenticator that knows one user."""

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        is_known = isinstance(data, LoginPassword) and data == LoginPassword(username.encode(), password.encode())
        return AuthResult(success=is_known, handled=False)

    return authenticate


@contextmanager
def hostile_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listens and lets `talk` have each connection, in a thread; answers its port."""
    listener = socket.create_server(("127.0.0.1", free_port()))
    lines: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(line: socket.socket) -> None:
        with suppress(OSError):
            talk(line)

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                lines.append(line)
                threads.append(threading.Thread(target=serve, args=(line,), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        for thread in [acceptor, *threads]:
            thread.join(5)
        for line in lines:
            line.close()


def drip(line: socket.socket, data: bytes, *, pause: float = 0.05) -> None:
    """Say it byte by byte."""
    for byte in data:
        line.sendall(bytes([byte]))
        time.sleep(pause)


def a_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS context for 127.0.0.1, and the client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))

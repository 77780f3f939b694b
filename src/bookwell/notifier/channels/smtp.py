"""Mails to an SMTP server, over connections that stay open, each mail within one deadline from first to last byte.

A time-out of a socket holds for one read: a server that sends a byte now and then is never too late for it. So a
watchdog shuts the connection when the mail's time is over, whatever the conversation waits for then.

What a code means: 4xx, a lost connection and a deadline are tried again; 5xx to the sender, the recipient or the
content is final. Before a mail is offered (greeting, TLS, log-in) nothing is about that mail: it waits, and so do
others.
"""

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Self

from bookwell.notifier.addresses import MailScheme, MailServer
from bookwell.notifier.channels.headers import one_line
from bookwell.notifier.channels.protocol import Parcel
from bookwell.notifier.channels.watchdog import Watchdog
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict

__all__ = ["SmtpTransport", "greet", "verdict_of"]

_CLOSING = 421
_IDLE_SECONDS = 30
_LONGEST_ANSWER = 500
_BROKEN_LINE = (smtplib.SMTPServerDisconnected, OSError)


class _Stale(Exception):
    """A connection that was kept open is not open any more."""


class SmtpTransport:
    """A server, and the connections to it that nobody uses just now; safe to use from many threads."""

    def __init__(self, server: MailServer, *, deadline_seconds: float, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._deadline_seconds = deadline_seconds
        self._context = context or ssl.create_default_context()
        self._guard = threading.Lock()
        self._idle: list[tuple[float, _Line]] = []

    def send(self, parcel: Parcel) -> Verdict:
        """Hand a mail over; returns within the deadline."""
        with Watchdog(self._deadline_seconds) as watchdog:
            try:
                return self._send(parcel, watchdog)
            except (smtplib.SMTPException, OSError, ValueError) as error:
                return _unreachable(error, watchdog)

    def close(self) -> None:
        """Close every idle connection."""
        with self._guard:
            lines, self._idle = self._idle, []
        for _, line in lines:
            line.abandon()

    def _send(self, parcel: Parcel, watchdog: Watchdog) -> Verdict:
        line = self._take_idle()
        if line is not None:
            try:
                return self._converse(line, parcel, watchdog, is_reused=True)
            except _Stale:
                pass
        return self._converse(_Line(self._server, self._context, watchdog), parcel, watchdog, is_reused=False)

    def _converse(self, line: "_Line", parcel: Parcel, watchdog: Watchdog, *, is_reused: bool) -> Verdict:
        with line:
            watchdog.watch(line.control)
            verdict = line.offer(parcel, watchdog, is_reused=is_reused)
            if line.is_clean(verdict):
                watchdog.call_off()
                self._keep(line)
            return verdict

    def _take_idle(self) -> "_Line | None":
        oldest = time.monotonic() - _IDLE_SECONDS
        with self._guard:
            old = [line for since, line in self._idle if since < oldest]
            self._idle = [(since, line) for since, line in self._idle if since >= oldest]
            found = self._idle.pop()[1] if self._idle else None
        for line in old:
            line.abandon()
        return found

    def _keep(self, line: "_Line") -> None:
        line.is_kept = True
        with self._guard:
            self._idle.append((time.monotonic(), line))


def greet(server: MailServer, *, deadline_seconds: float, context: ssl.SSLContext | None = None) -> None:
    """Connect, encrypt and log in as for a mail, and send none.

    Raises:
        smtplib.SMTPException, OSError: if the server does not serve us within the deadline.
    """
    with Watchdog(deadline_seconds) as watchdog:
        try:
            line = _Line(server, context or ssl.create_default_context(), watchdog)
        except OSError:
            if watchdog.is_over:
                raise TimeoutError("no answer in time") from None
            raise
        line.abandon()


class _Line(smtplib.SMTP):
    """One connection, greeted, encrypted and logged in; leaving its `with` closes it unless it is kept."""

    def __init__(self, server: MailServer, context: ssl.SSLContext, watchdog: Watchdog) -> None:
        self.is_kept = False
        self.step = "MAIL"
        self.control: socket.socket | None = None
        self._mail_server = server
        self._tls = context
        self._watchdog = watchdog
        try:
            super().__init__(server.host, server.port, socket.gethostname(), timeout=watchdog.remaining)
            if server.scheme is MailScheme.STARTTLS:
                self.starttls(context=context)
            self.ehlo_or_helo_if_needed()
            if server.username:
                self.login(server.username, server.password)
        except BaseException:
            self.abandon()
            raise

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        """The library's hook: connect under the watchdog's eyes."""
        plain = self._watchdog.connect(host, port)
        self.control = self._watchdog.control_of(plain)
        if self._mail_server.scheme is MailScheme.SMTPS:
            return self._tls.wrap_socket(plain, server_hostname=host)
        return plain

    def __enter__(self) -> Self:
        self.is_kept = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.is_kept:
            self.abandon()

    def abandon(self) -> None:
        """Close without a farewell, which a server may take its time to answer."""
        self.close()
        if self.control is not None:
            self.control.close()

    def offer(self, parcel: Parcel, watchdog: Watchdog, *, is_reused: bool) -> Verdict:
        """Offer the mail; the verdict names the step that decided.

        Raises:
            _Stale: if the connection had been closed before this mail was offered.
        """
        if not parcel.is_ascii and not self.has_extn("smtputf8"):
            return Verdict(AttemptOutcome.REFUSED, answer="the server takes ASCII addresses alone")
        self.step = "MAIL"
        try:
            if self.sock is not None:
                self.sock.settimeout(watchdog.remaining)
            code, answer = self._exchange(parcel)
        except _BROKEN_LINE as error:
            if is_reused and self.step == "MAIL" and not watchdog.is_over:
                raise _Stale from error
            return Verdict(AttemptOutcome.TRANSIENT, answer=f"{self.step}: {_words(error, watchdog)}")
        if is_reused and self.step == "MAIL" and code == _CLOSING:
            raise _Stale
        return verdict_of(self.step, code, answer)

    def _exchange(self, parcel: Parcel) -> tuple[int, bytes]:
        """The deciding answer: that to the content, or the first that is no yes."""
        code, answer = self.mail(parcel.sender, [] if parcel.is_ascii else ["SMTPUTF8"])
        if code != 250:
            return code, answer
        self.step = "RCPT"
        code, answer = self.rcpt(parcel.recipient)
        if code not in (250, 251):
            return code, answer
        self.step = "DATA"
        try:
            return self.data(parcel.content)
        except smtplib.SMTPDataError as error:  # the server does not want the content
            return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""

    def is_clean(self, verdict: Verdict) -> bool:
        """Whether the connection can take another mail, after telling the server to forget one that it refused."""
        if self.sock is None or verdict.outcome is AttemptOutcome.UNREACHABLE:
            return False
        if verdict.outcome is AttemptOutcome.ACCEPTED:
            return True
        with contextlib.suppress(smtplib.SMTPException, OSError):
            return self.rset()[0] == 250
        return False


def verdict_of(step: str, code: int, answer: bytes) -> Verdict:
    """What a server's answer to MAIL, RCPT or DATA means for the mail."""
    words = _shown(f"{step}: {code} {answer.decode(errors='replace')}")
    if step == "DATA" and 200 <= code < 300:
        return Verdict(AttemptOutcome.ACCEPTED, code, words)
    if code == _CLOSING:
        return Verdict(AttemptOutcome.UNREACHABLE, code, words)
    if 500 <= code < 600:
        return Verdict(AttemptOutcome.REFUSED, code, words)
    return Verdict(AttemptOutcome.TRANSIENT, code, words)


def _unreachable(error: Exception, watchdog: Watchdog) -> Verdict:
    """A verdict on the server: the mail was not offered."""
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    return Verdict(AttemptOutcome.UNREACHABLE, max(code, 0), f"connecting: {_words(error, watchdog)}")


def _words(error: Exception, watchdog: Watchdog) -> str:
    if watchdog.is_over or isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return _shown(f"{error.smtp_code} {said}")
    return _shown(f"{type(error).__name__} {error}")


def _shown(words: str) -> str:
    """A server's words as a row can have them, whatever bytes they hold."""
    return one_line(words, longest=_LONGEST_ANSWER)

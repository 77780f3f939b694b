"""One HTTP request within one deadline from the first to the last byte, following nothing; it carries our trace on.

Written upon `http.client` because a library's time-outs hold for one read, and because each address is looked at
between the resolver's answer and the connection: a name cannot come to mean another machine in between.
"""

import datetime as dt
import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import SplitResult, urlunsplit

from bookwell.kit import clock
from bookwell.kit.request_context import trace_headers
from bookwell.notifier.channels.headers import one_line
from bookwell.notifier.channels.watchdog import Watchdog

__all__ = ["Answer", "Call", "CallFailed", "make_call"]

_LONGEST_REASON = 100
_MOST_DIGITS = 9
_USER_AGENT = f"Bookwell/{version('bookwell')}"


class CallFailed(Exception):
    """There was no answer; says why without repeating the URL."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request; `check` gets the address of the other side and raises an OSError when it must not be."""

    method: str
    url: SplitResult
    headers: Mapping[str, str]
    body: bytes
    check: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The status, in words, too, and how long the other side asks not to be called; its body is not read."""

    status: int
    words: str
    retry_after: dt.timedelta


def make_call(call: Call, *, deadline_seconds: float, tls: ssl.SSLContext) -> Answer:
    """Ask once; returns within the deadline.

    Raises:
        CallFailed: if there was no answer.
    """
    with Watchdog(deadline_seconds) as watchdog:
        try:
            return _converse(call, watchdog, tls)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if watchdog.is_over or isinstance(error, TimeoutError):
                raise CallFailed("no answer in time") from None
            raise CallFailed(_words(error)) from None


def _converse(call: Call, watchdog: Watchdog, tls: ssl.SSLContext) -> Answer:
    host = call.url.hostname or ""
    port = call.url.port or (443 if call.url.scheme == "https" else 80)
    with closing(watchdog.connect(host, port, check=call.check)) as plain, closing(watchdog.control_of(plain)):
        line: socket.socket = plain
        line.settimeout(watchdog.remaining)
        if call.url.scheme == "https":
            line = tls.wrap_socket(plain, server_hostname=host)
        connection = http.client.HTTPConnection(host, port)
        connection.sock = line
        with closing(connection):
            target = urlunsplit(("", "", call.url.path or "/", call.url.query, ""))
            headers = {"Host": call.url.netloc.rpartition("@")[2], "User-Agent": _USER_AGENT, "Connection": "close"}
            connection.request(
                call.method, target, body=call.body or None, headers=headers | trace_headers() | dict(call.headers)
            )
            with closing(connection.getresponse()) as response:
                if watchdog.is_over:  # headers that the watchdog cut look whole
                    raise TimeoutError
                return _answer_of(response)


def _answer_of(response: http.client.HTTPResponse) -> Answer:
    words = one_line(f"{response.status} {response.reason}")[:_LONGEST_REASON]
    return Answer(response.status, words, _pause_of(response.headers.get("Retry-After", "").strip(), clock.now()))


def _pause_of(text: str, now: dt.datetime) -> dt.timedelta:
    """Retry-After as a number of seconds or a date; none when it is neither, as with a year that no calendar has."""
    if text.isascii() and text.isdigit():
        return dt.timedelta(seconds=int(text[:_MOST_DIGITS]))
    try:
        until = parsedate_to_datetime(text)
        return max(until.replace(tzinfo=until.tzinfo or dt.UTC) - now, dt.timedelta(0))
    except (ValueError, TypeError, OverflowError, IndexError):
        return dt.timedelta(0)


def _words(error: Exception) -> str:
    """The kind of the error, and what the system says of it; a certificate's fault is told, names of hosts are not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate: {error.verify_message}"
    said = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__} {said}".strip()

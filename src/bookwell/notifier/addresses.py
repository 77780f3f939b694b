"""URLs of mail servers."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote, urlsplit

__all__ = ["MailScheme", "MailServer", "parse_mail_url"]


class MailScheme(StrEnum):
    """How mails leave: into files, onto the console, or to a server, with TLS from the start, later or never."""

    FILES = ""
    CONSOLE = "console"
    SMTP = "smtp"
    STARTTLS = "smtp+starttls"
    SMTPS = "smtps"


_PORTS = {MailScheme.SMTP: 25, MailScheme.STARTTLS: 587, MailScheme.SMTPS: 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails go; `host` is empty for files and the console."""

    scheme: MailScheme
    host: str = ""
    port: int = 0
    username: str = ""
    password: str = field(default="", repr=False)


def parse_mail_url(url: str) -> MailServer:
    """The server of `smtp://user:password@host:port`, `smtp+starttls://…`, `smtps://…`, `console://`, or files.

    Raises:
        ValueError: that does not repeat the URL, which may hold a password.
    """
    parts = urlsplit(url)
    try:
        scheme, port = MailScheme(parts.scheme), parts.port
    except ValueError:
        raise ValueError("is no smtp://, smtp+starttls://, smtps:// or console:// URL") from None
    if scheme not in _PORTS:
        if scheme is MailScheme.FILES and url:
            raise ValueError("is no URL")
        return MailServer(scheme)
    if not parts.hostname:
        raise ValueError("names no host")
    return MailServer(
        scheme, parts.hostname, port or _PORTS[scheme], unquote(parts.username or ""), unquote(parts.password or "")
    )

"""What every channel is: something that brings one message to one address and says what came of it."""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from bookwell.notifier.deliveries.rules import Verdict
from bookwell.notifier.rendering import RenderedMessage

__all__ = ["Channel", "MailTransport", "Message", "Parcel"]


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered message and its way: the same delivery makes the same message at every attempt."""

    delivery_id: str
    address: str
    name: str
    created_at: dt.datetime
    content: RenderedMessage
    unsubscribe_url: str | None = None


class Channel(Protocol):
    """A way to people. A failure is a verdict, never an exception; `send` ends within the channel's deadline.

    It may be called from several threads. A message may come twice after a crash: the channel hands on the delivery's
    id by whatever the other side can tell copies apart.
    """

    def send(self, message: Message) -> Verdict:
        """Hand the message over."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A composed mail as bytes with CRLF line ends, and its envelope."""

    delivery_id: str
    sender: str
    recipient: str
    content: bytes
    is_ascii: bool


class MailTransport(Protocol):
    """Takes composed mails: to a server, into files, onto the console."""

    def send(self, parcel: Parcel) -> Verdict:
        """Hand the mail over."""

    def close(self) -> None:
        """Let go of connections."""

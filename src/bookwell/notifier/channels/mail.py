"""E-mail: composes a mail that a receiver can rely on, and gives it to a transport.

What people wrote adds no header (see `headers`). The Message-ID comes from the delivery's id: a mail that is sent
twice after a crash is the same mail to whoever receives it.
"""

from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from bookwell.kit.addresses import AddressInvalid, parse_address
from bookwell.notifier.channels.headers import address_header, text_header
from bookwell.notifier.channels.mime import multipart, text_part
from bookwell.notifier.channels.protocol import MailTransport, Message, Parcel
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict

__all__ = ["MailChannel", "compose"]

_LONGEST_LINK = 900  # a line of a mail has room for 998 bytes


class MailChannel:
    """The channel `email`; `sender` is the From header, as in `Library <library@example.org>`."""

    def __init__(self, transport: MailTransport, *, sender: str) -> None:
        self._transport = transport
        self._sender = sender

    def send(self, message: Message) -> Verdict:
        """Compose the mail and hand it over; one that cannot be composed is refused for good."""
        try:
            parcel = compose(message, sender=self._sender)
        except AddressInvalid as error:
            return Verdict(AttemptOutcome.REFUSED, answer=f"the address {error}")
        except (ValueError, LookupError, TypeError) as error:
            return Verdict(AttemptOutcome.BROKEN, answer=f"no mail can be made of it: {type(error).__name__}")
        return self._transport.send(parcel)

    def close(self) -> None:
        """Close the transport's connections."""
        self._transport.close()


def compose(message: Message, *, sender: str) -> Parcel:
    """The mail: text, its HTML alternative, the calendar entry where there is one.

    Raises:
        AddressInvalid: if the recipient's address is none.
    """
    recipient = parse_address(message.address)
    sender_name, sender_address = parseaddr(sender)
    headers = [
        address_header("From", sender_name, sender_address),
        address_header("To", message.name, str(recipient)),
        text_header("Subject", message.content.subject),
        f"Date: {format_datetime(message.created_at)}",
        f"Message-ID: <{message.delivery_id}@{sender_address.rpartition('@')[2]}>",
        "Auto-Submitted: auto-generated",
    ]
    if message.unsubscribe_url and _is_link(message.unsubscribe_url):
        headers.append(f"List-Unsubscribe: <{message.unsubscribe_url}>")
        headers.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    headers.append("MIME-Version: 1.0")
    content = "\r\n".join([*headers, ""]).encode() + _body_of(message)
    return Parcel(message.delivery_id, sender_address, str(recipient), content, recipient.is_ascii)


def _body_of(message: Message) -> bytes:
    content = message.content
    body = text_part("text/plain", content.text)
    if content.html:
        parts = [body, text_part("text/html", content.html)]
        body = multipart("alternative", parts, boundary=f"{message.delivery_id}.1")
    if content.calendar is not None:
        kind = f"text/calendar; method={content.calendar.method}"
        disposition = f'Content-Disposition: attachment; filename="{content.calendar.filename}"'
        parts = [body, text_part(kind, content.calendar.body.decode(), disposition)]
        body = multipart("mixed", parts, boundary=f"{message.delivery_id}.2")
    return body


def _is_link(url: str) -> bool:
    """Whether the URL can stand between angle brackets in a header, on one line."""
    return (
        len(url) <= _LONGEST_LINK
        and url.isascii()
        and url.isprintable()
        and not set(url) & set("<> ,")
        and urlsplit(url).scheme in ("http", "https")
    )

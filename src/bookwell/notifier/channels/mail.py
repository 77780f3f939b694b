"""E-mail: composes a mail that a receiver can rely on, and gives it to a transport.

Whatever people wrote (names, titles) is in headers only as encoded words without control characters, so that no
header can be added. The Message-ID comes from the delivery's id: a mail that is sent twice after a crash is the same
mail to whoever receives it.
"""

import unicodedata
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from bookwell.notifier.addresses import AddressInvalid, parse_address
from bookwell.notifier.channels.protocol import MailTransport, Message, Parcel
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict

__all__ = ["MailChannel", "compose", "one_line"]

# Seven bits: nothing then depends on what the servers on the way can take.
_POLICY = SMTP.clone(cte_type="7bit")
_LONGEST_NAME = 200
_LONGEST_SUBJECT = 400
_NOT_IN_LINES = frozenset({"Cc", "Cs", "Zl", "Zp"})


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
        except (MessageError, ValueError, LookupError, TypeError) as error:
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
    mail = EmailMessage(_POLICY if recipient.is_ascii else _POLICY.clone(utf8=True))
    mail["From"] = Address(one_line(sender_name, _LONGEST_NAME), addr_spec=sender_address)
    mail["To"] = Address(one_line(message.name, _LONGEST_NAME), recipient.local_part, recipient.domain)
    mail["Subject"] = one_line(message.content.subject, _LONGEST_SUBJECT)
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = f"<{message.delivery_id}@{sender_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message.unsubscribe_url and _is_link(message.unsubscribe_url):
        mail["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    _add_content(mail, message)
    return Parcel(message.delivery_id, sender_address, str(recipient), mail.as_bytes(), recipient.is_ascii)


def one_line(text: str, longest: int) -> str:
    """The text without line breaks, control characters and halves of characters, cut after `longest`."""
    spaced = "".join(" " if unicodedata.category(char) in _NOT_IN_LINES else char for char in text)
    return " ".join(spaced.split())[:longest].strip()


def _add_content(mail: EmailMessage, message: Message) -> None:
    content = message.content
    mail.set_content(_encodable(content.text))
    if content.html:
        mail.add_alternative(_encodable(content.html), subtype="html")
    if content.calendar is not None:
        mail.add_attachment(
            content.calendar.body.decode(),
            subtype="calendar",
            filename=content.calendar.filename,
            params={"method": content.calendar.method},
        )


def _encodable(text: str) -> str:
    """Halves of characters would end the composition."""
    return text.encode(errors="replace").decode()


def _is_link(url: str) -> bool:
    """Whether the URL can stand between angle brackets in a header."""
    return (
        url.isascii() and url.isprintable() and not set(url) & set("<> ,") and urlsplit(url).scheme in ("http", "https")
    )

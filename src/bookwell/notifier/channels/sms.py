"""SMS through a provider that takes one HTTP request a message; which fields it wants is a matter of settings.

A provider is told the delivery's id as `Idempotency-Key`, and in a field where it has one, so that it can tell a copy.
What it refuses about the message (4xx) is final. What it says about us (401, 402, 403, 404, a redirect) holds for every
message: they wait until somebody has set it right, or their schedule is over.
"""

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlencode, urlsplit

from pydantic_core import to_json

from bookwell.kit.addresses import AddressInvalid, parse_phone
from bookwell.notifier.channels.http_call import Answer, Call, CallFailed, make_call
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict

__all__ = ["SmsChannel", "SmsProvider", "verdict_of"]

_ABOUT_US = frozenset({401, 402, 403, 404, 405, 407, 421, 429})
_PASSING = frozenset({408, 409, 423, 425})


@dataclass(frozen=True, slots=True)
class SmsProvider:
    """How a provider is asked; `fields` are its names for number and text, empty ones are left out."""

    url: str = field(repr=False)
    method: str = "POST"
    is_json: bool = True
    to_field: str = "to"
    text_field: str = "text"
    from_field: str = ""
    sender: str = ""
    id_field: str = ""
    auth_header: str = "Authorization"
    auth: str = field(default="", repr=False)

    def fields_of(self, message: Message, number: str) -> dict[str, str]:
        """What is sent about one message."""
        named = {
            self.to_field: number,
            self.text_field: message.content.short,
            self.from_field: self.sender,
            self.id_field: message.delivery_id,
        }
        return {name: value for name, value in named.items() if name and value}


class SmsChannel:
    """The channel `sms`; a message's address is a telephone number."""

    def __init__(self, provider: SmsProvider, *, deadline_seconds: float, tls: ssl.SSLContext | None = None) -> None:
        self._provider = provider
        self._deadline_seconds = deadline_seconds
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Message) -> Verdict:
        """Hand the message over; a number that nobody has is refused for good."""
        try:
            call = self._call_of(message, parse_phone(message.address))
            return verdict_of(make_call(call, deadline_seconds=self._deadline_seconds, tls=self._tls))
        except AddressInvalid as error:
            return Verdict(AttemptOutcome.REFUSED, answer=f"the number {error}")
        except CallFailed as error:
            return Verdict(AttemptOutcome.UNREACHABLE, answer=str(error))

    def close(self) -> None:
        """Nothing stays open."""

    def _call_of(self, message: Message, number: str) -> Call:
        provider = self._provider
        fields = provider.fields_of(message, number)
        headers = {"Idempotency-Key": message.delivery_id}
        if provider.auth:
            headers[provider.auth_header] = provider.auth
        url = urlsplit(provider.url)
        if provider.method == "GET":
            return Call("GET", _with_query(url, fields), headers, b"")
        if provider.is_json:
            return Call(provider.method, url, headers | {"Content-Type": "application/json"}, to_json(fields))
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return Call(provider.method, url, headers | form, urlencode(fields).encode())


def verdict_of(answer: Answer) -> Verdict:
    """What a provider's answer means for the message."""
    if 200 <= answer.status < 300:
        return Verdict(AttemptOutcome.ACCEPTED, answer.status, answer.words)
    if answer.status in _PASSING:
        return Verdict(AttemptOutcome.TRANSIENT, answer.status, answer.words, answer.retry_after)
    if 400 <= answer.status < 500 and answer.status not in _ABOUT_US:
        return Verdict(AttemptOutcome.REFUSED, answer.status, answer.words)
    return Verdict(AttemptOutcome.UNREACHABLE, answer.status, answer.words, answer.retry_after)


def _with_query(url: SplitResult, fields: dict[str, str]) -> SplitResult:
    return url._replace(query="&".join(part for part in (url.query, urlencode(fields)) if part))

"""Webhooks: signed anew at every attempt, under the same id (Standard Webhooks).

Only 2xx is success. 410 means that the endpoint is gone. What else an endpoint answers, a redirect included, is a
failure that passes: the schedule tries again. One that answers nothing, 429 or 503 says nothing about this message, so
others need not try now.
"""

import ssl
from collections.abc import Mapping

from bookwell.kit import clock
from bookwell.kit.webhooks import sign
from bookwell.notifier.channels.http_call import Answer, Call, CallFailed, make_call
from bookwell.notifier.channels.protocol import Message
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.endpoints import Endpoint, is_public

__all__ = ["WebhookChannel", "verdict_of"]

_GONE = 410
_COME_LATER = frozenset({429, 503})


class WebhookChannel:
    """The channel `webhook`; a message's address is an endpoint's name, its text the body."""

    def __init__(
        self, endpoints: Mapping[str, Endpoint], *, deadline_seconds: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._endpoints = endpoints
        self._deadline_seconds = deadline_seconds
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Message) -> Verdict:
        """Hand the message over; one for an endpoint that is not configured, or not allowed, is refused for good."""
        endpoint = self._endpoints.get(message.address)
        if endpoint is None:
            return Verdict(AttemptOutcome.REFUSED, answer="no endpoint of this name is configured")
        body = message.content.text.encode()
        headers = {"Content-Type": "application/json"}
        headers |= sign(endpoint.secrets, message_id=message.delivery_id, sent_at=clock.now(), body=body)
        call = Call("POST", endpoint.url, headers, body, None if endpoint.is_private_allowed else _refuse_private)
        try:
            return verdict_of(make_call(call, deadline_seconds=self._deadline_seconds, tls=self._tls))
        except CallFailed as error:
            return Verdict(AttemptOutcome.UNREACHABLE, answer=str(error))

    def close(self) -> None:
        """Nothing stays open."""


def verdict_of(answer: Answer) -> Verdict:
    """What an endpoint's answer means for the message."""
    if 200 <= answer.status < 300:
        return Verdict(AttemptOutcome.ACCEPTED, answer.status, answer.words)
    if answer.status == _GONE:
        return Verdict(AttemptOutcome.GONE, answer.status, answer.words)
    if answer.status in _COME_LATER:
        return Verdict(AttemptOutcome.UNREACHABLE, answer.status, answer.words, answer.retry_after)
    return Verdict(AttemptOutcome.TRANSIENT, answer.status, answer.words)


def _refuse_private(address: str) -> None:
    if not is_public(address):
        raise PermissionError(0, "its address is private, and private = true is not said")

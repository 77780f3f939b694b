"""The notifier's own message: staff hear that a webhook endpoint is gone, because nobody else can set that right."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from bookwell.contracts.messages import ChannelName, Envelope, Notice, Recipient
from bookwell.contracts.webhooks import EndpointFacts
from bookwell.kit import ids
from bookwell.kit.request_context import traceparent
from bookwell.notifier.db import milliseconds
from bookwell.notifier.deliveries.services.take_in import prepare_deliveries, take_in_in_tx

__all__ = ["Staff", "tell_staff_in_tx"]

_KIND = "endpoint.disabled"
_SOURCE = "notifier"


@dataclass(frozen=True, slots=True)
class Staff:
    """Whom to tell, and in which language."""

    email: str
    language: str


def tell_staff_in_tx(
    connection: Connection, staff: Staff, *, endpoint: str, template_versions: Mapping[str, int], now: dt.datetime
) -> None:
    """Queue the mail about an endpoint that has just been disabled; each time is another event."""
    email = ChannelName.EMAIL.value
    recipient = Recipient(reference="staff", name="", email=staff.email, language=staff.language, channels=(email,))
    facts = EndpointFacts(endpoint=endpoint).model_dump(mode="json")
    notice = Notice(recipient=recipient, is_mandatory=True, facts=facts)
    envelope = Envelope(
        event_id=ids.new_id(),
        source=_SOURCE,
        queue="mail",
        type=_KIND,
        version=1,
        aggregate=endpoint,
        aggregate_version=milliseconds(now),
        created_at=milliseconds(now),
        payload=notice.model_dump(mode="json"),
        traceparent=traceparent(),
    )
    rows = prepare_deliveries([envelope], channels={email}, template_versions=template_versions, now=now)
    take_in_in_tx(connection, rows)

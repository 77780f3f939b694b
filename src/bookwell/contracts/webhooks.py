"""What a service tells another program by a signed webhook: the outbox row's payload, and the body that is sent.

Rows go to the queue `webhook`. The endpoint is named, never its address or its secret: those stand in the notifier's
configuration alone. The message's id is the event's, its type and time are the envelope's.
"""

import datetime as dt
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LONGEST_BODY", "EndpointFacts", "WebhookBody", "WebhookMessage"]

LONGEST_BODY = 20_000
"""Bytes; a body stays below."""


class WebhookMessage(BaseModel):
    """Payload of a row for the queue `webhook`; `data` gets the aggregate's version as `version`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: str = Field(min_length=1, max_length=64)
    data: dict[str, Any]


class WebhookBody(BaseModel):
    """What a receiver reads. `data["version"]` grows with every change of the aggregate: drop what is older."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    timestamp: dt.datetime
    data: dict[str, Any]


class EndpointFacts(BaseModel):
    """An endpoint that said it is gone: facts of the notice to staff."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: str

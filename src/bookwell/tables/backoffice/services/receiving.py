"""Decisions that came as signed webhooks: each id once, in the transaction of its effect."""

import datetime as dt

from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.kit.idempotency import IdempotencyKey, fingerprint_of
from bookwell.tables.backoffice.models import received_webhook

__all__ = ["RECEIVED", "key_of_webhook"]

RECEIVED = IdempotencyStore(received_webhook, lifetime=dt.timedelta(days=7))
"""Longer than anybody should try to send the same again: our own webhooks are tried for three days."""


def key_of_webhook(webhook_id: str, body: bytes) -> IdempotencyKey:
    """A webhook's key: the same id comes with the same body, or is refused."""
    return IdempotencyKey("webhook", webhook_id, fingerprint_of(body))

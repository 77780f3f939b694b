"""What the back office has sent, by its `webhook-id`: the answer that is given again."""

from sqlalchemy import Index, Table

from bookwell.kit.adapters.sqlalchemy.idempotency import idempotency_columns
from bookwell.tables.schema import metadata

__all__ = ["received_webhook"]

received_webhook = Table(
    "received_webhook", metadata, *idempotency_columns(), Index("received_webhook_age", "created_at")
)

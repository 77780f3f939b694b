"""What the back office has sent, by its `webhook-id`: the answer that is given again."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, Text
from sqlalchemy.types import CHAR

from bookwell.tables.schema import metadata

__all__ = ["received_webhook"]

# `digest` is the SHA-256 of the id, which is of any characters; `fingerprint` that of the body.
received_webhook = Table(
    "received_webhook",
    metadata,
    Column("digest", CHAR(64), nullable=False),
    Column("fingerprint", CHAR(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("digest", name="received_webhook_once"),
    Index("received_webhook_age", "at"),
)

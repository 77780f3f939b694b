"""The notifier's tables. Portable columns: CHAR ids, BIGINT milliseconds since 1970, TEXT."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import CHAR

from bookwell.kit.tracing import TRACEPARENT_LENGTH
from bookwell.notifier.deliveries.rules import DeliveryState

__all__ = ["attempt", "delivery", "endpoint", "metadata", "pace"]

# Compares as Python does: nothing else would keep two recipients apart whose references differ in case.
_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_STATES = ", ".join(f"'{state.value}'" for state in DeliveryState)

metadata = MetaData()

# `notice` is JSON, empty when forgotten; `created_at` is the event's; `next_attempt_at` is the end of the lease while
# the state is `sending`; `attempts` counts claims, of which those above `attempts_allowed` are not made.
# `traceparent` is of the message's trace, empty in rows from before traces were kept.
delivery = Table(
    "delivery",
    metadata,
    Column("id", CHAR(36), primary_key=True),
    Column("event_id", String(36), nullable=False),
    Column("source", String(32), nullable=False),
    Column("type", String(64), nullable=False),
    Column("aggregate", String(64), nullable=False),
    Column("aggregate_version", BigInteger, nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("address", String(320), nullable=False),
    Column("notice", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempts_allowed", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("traceparent", String(TRACEPARENT_LENGTH), nullable=False, server_default=""),
    UniqueConstraint("event_id", "recipient", "channel", "template_version", name="delivery_once"),
    CheckConstraint(f"state IN ({_STATES})", name="delivery_state"),
    Index("delivery_due", "state", "next_attempt_at"),
    Index("delivery_order", "source", "aggregate", "aggregate_version"),
    Index("delivery_newest", "created_at", "id"),
    Index("delivery_ended", "ended_at"),
    **_MYSQL,
)

# `code` is the server's, 0 where it said nothing.
attempt = Table(
    "attempt",
    metadata,
    Column("delivery_id", CHAR(36), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("code", Integer, nullable=False),
    Column("answer", Text, nullable=False),
    ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="attempt_delivery", ondelete="CASCADE"),
    **_MYSQL,
)

# Webhook endpoints that said they are gone; the others have no row.
endpoint = Table(
    "endpoint",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("disabled_at", BigInteger, nullable=False),
    **_MYSQL,
)

# `free_at` is when a channel's next message may leave.
pace = Table(
    "pace",
    metadata,
    Column("channel", String(16), primary_key=True),
    Column("free_at", BigInteger, nullable=False),
    **_MYSQL,
)

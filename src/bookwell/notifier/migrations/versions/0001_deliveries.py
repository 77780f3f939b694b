"""Deliveries, their attempts, and the pace of channels.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_STATES = "'queued', 'sending', 'sent', 'failed', 'expired', 'suppressed'"
_INDEXES = {
    "delivery_due": ["state", "next_attempt_at"],
    "delivery_order": ["source", "aggregate", "aggregate_version"],
    "delivery_newest": ["created_at", "id"],
    "delivery_ended": ["ended_at"],
}


def upgrade() -> None:
    # MySQL commits after each statement: whoever was interrupted begins again, and meets what is there already.
    op.create_table(
        "delivery",
        sa.Column("id", sa.CHAR(36), primary_key=True),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("aggregate", sa.String(64), nullable=False),
        sa.Column("aggregate_version", sa.BigInteger, nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("template_version", sa.Integer, nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("notice", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("attempts_allowed", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=True),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.UniqueConstraint("event_id", "recipient", "channel", "template_version", name="delivery_once"),
        sa.CheckConstraint(f"state IN ({_STATES})", name="delivery_state"),
        if_not_exists=True,
        **_MYSQL,
    )
    existing = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("delivery")}
    for name, columns in _INDEXES.items():
        if name not in existing:
            op.create_index(name, "delivery", columns)
    op.create_table(
        "attempt",
        sa.Column("delivery_id", sa.CHAR(36), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name="attempt_delivery", ondelete="CASCADE"),
        if_not_exists=True,
        **_MYSQL,
    )
    op.create_table(
        "pace",
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("free_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
        **_MYSQL,
    )


def downgrade() -> None:
    op.drop_table("pace")
    op.drop_table("attempt")
    op.drop_table("delivery")

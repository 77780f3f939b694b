"""What the back office is told, and what it said.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "feed_event",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("position", sa.BigInteger),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("booking_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.UniqueConstraint("position", name="feed_event_position"),
        sa.UniqueConstraint("booking_id", "version", name="feed_event_version"),
        sqlite_autoincrement=True,
    )
    unplaced = sa.text("position IS NULL")
    op.create_index("feed_event_unplaced", "feed_event", ["id"], postgresql_where=unplaced, sqlite_where=unplaced)
    head = op.create_table(
        "feed_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("forgotten", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "position": 0, "forgotten": 0}])
    op.create_table(
        "received_webhook",
        sa.Column("digest", sa.CHAR(64), primary_key=True),
        sa.Column("fingerprint", sa.CHAR(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("received_webhook_age", "received_webhook", ["created_at"])


def downgrade() -> None:
    for name in ("received_webhook", "feed_head", "feed_event"):
        op.drop_table(name)

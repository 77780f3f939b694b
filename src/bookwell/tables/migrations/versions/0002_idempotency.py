"""Answers that are given again when a request is; and the order in which staff look at bookings.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_key",
        sa.Column("digest", sa.CHAR(64), primary_key=True),
        sa.Column("fingerprint", sa.CHAR(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_index("idempotency_key_age", "idempotency_key", ["created_at"], if_not_exists=True)
    op.create_index("booking_board", "booking", ["state", "starts_at", "id"], if_not_exists=True)


def downgrade() -> None:
    op.drop_index("booking_board", "booking")
    op.drop_table("idempotency_key")

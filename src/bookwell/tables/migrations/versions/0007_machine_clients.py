"""Programs that read the feed with tokens of the restaurant's own.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "machine_client",
        sa.Column("client_id", sa.String(40), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("secret_hash", sa.String(200), nullable=False),
        sa.Column("former_hash", sa.String(200)),
        sa.Column("former_until", sa.BigInteger),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.UniqueConstraint("name", name="machine_client_name"),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("machine_client")

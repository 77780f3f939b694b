"""Webhook endpoints that said they are gone.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_MYSQL = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


def upgrade() -> None:
    op.create_table(
        "endpoint",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("disabled_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
        **_MYSQL,
    )


def downgrade() -> None:
    op.drop_table("endpoint")

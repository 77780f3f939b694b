"""Closures that are taken back tell by whom and why; servers of the version before say neither.

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("closure", sa.Column("opened_by", sa.String(64), nullable=False, server_default=""))
    op.add_column("closure", sa.Column("opened_reason", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("closure", "opened_reason")
    op.drop_column("closure", "opened_by")

"""Messages carry the trace in which they were written; servers of the version before write none.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("traceparent", sa.String(55), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("outbox", "traceparent")

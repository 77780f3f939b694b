"""Deliveries keep the trace of the message that they came from; senders of the version before write none.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # MySQL commits after each statement: whoever was interrupted begins again, and meets what is there already.
    if any(column["name"] == "traceparent" for column in sa.inspect(op.get_bind()).get_columns("delivery")):
        return
    op.add_column("delivery", sa.Column("traceparent", sa.String(55), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("delivery", "traceparent")

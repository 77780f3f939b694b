"""Links that end reminders live longer than the booking's own.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reminder_link",
        sa.Column("digest", sa.CHAR(64), primary_key=True),
        sa.Column("sealed_contact", sa.CHAR(64), nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    op.create_index("reminder_link_expiry", "reminder_link", ["expires_at"], if_not_exists=True)


def downgrade() -> None:
    op.drop_table("reminder_link")

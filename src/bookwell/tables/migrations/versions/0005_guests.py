"""Guests who want no reminders, who was reminded, and whose data was cleared.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ADDED = ("reminded_at", "cleared_at")


def upgrade() -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("booking")}
    for name in _ADDED:
        if name not in there:  # a process may have died half-way
            op.add_column("booking", sa.Column(name, sa.BigInteger))
    op.create_index("booking_clearing", "booking", ["cleared_at", "ends_at"], if_not_exists=True)
    op.create_table(
        "reminder_opt_out",
        sa.Column("contact_digest", sa.CHAR(64), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("reminder_opt_out")
    op.drop_index("booking_clearing", "booking")
    for name in _ADDED:
        op.drop_column("booking", name)

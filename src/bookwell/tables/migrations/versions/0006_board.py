"""Staff look at bookings by state alone: an index without it led PostgreSQL through the whole past.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("booking_when", "booking", if_exists=True)


def downgrade() -> None:
    op.create_index("booking_when", "booking", ["starts_at", "id"], if_not_exists=True)

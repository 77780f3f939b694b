"""Guests who want no reminders, and whose data was cleared.

Revision ID: 0005
Revises: 0004
"""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in as the part is built."""


def downgrade() -> None:
    """The same."""

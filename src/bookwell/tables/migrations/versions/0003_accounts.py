"""Staff accounts and their sessions.

Revision ID: 0003
Revises: 0002
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in as the part is built."""


def downgrade() -> None:
    """The same."""

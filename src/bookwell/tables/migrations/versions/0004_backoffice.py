"""What the back office is told, and what it said.

Revision ID: 0004
Revises: 0003
"""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in as the part is built."""


def downgrade() -> None:
    """The same."""

"""Answers that are given again when a request is.

Revision ID: 0002
Revises: 0001
"""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in as the part is built."""


def downgrade() -> None:
    """The same."""

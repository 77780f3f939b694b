"""Waiting orders are counted by mailbox: an address without what stands behind a plus.

Servers of the version before count by address meanwhile, and find what waits by the index of the board.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_WAITS = sa.text("state = 'requested'")


def upgrade() -> None:
    op.add_column("booking", sa.Column("mailbox", sa.String(320), nullable=False, server_default=""))
    _index("mailbox", instead_of="email")


def downgrade() -> None:
    _index("email", instead_of="mailbox")
    op.drop_column("booking", "mailbox")


def _index(column: str, *, instead_of: str) -> None:
    """PostgreSQL is told, as in 0010, that nobody's stands on many bookings."""
    op.drop_index(f"booking_{instead_of}", "booking", if_exists=True)
    op.create_index(f"booking_{column}", "booking", [column], postgresql_where=_WAITS, sqlite_where=_WAITS)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE booking ALTER COLUMN {column} SET (n_distinct = -0.1)")

"""Deadlines are found in indexes of the orders that have one.

An order that is decided leaves both, and is written to two indexes less.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COLUMNS = {"booking_waiting": "decide_by", "booking_escalation": "escalate_at"}
_BEFORE = {"booking_waiting": ["state", "decide_by"], "booking_escalation": ["escalate_at"]}


def upgrade() -> None:
    for name, column in _COLUMNS.items():
        is_set = sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, "booking", if_exists=True)
        op.create_index(name, "booking", [column], postgresql_where=is_set, sqlite_where=is_set)


def downgrade() -> None:
    for name, columns in _BEFORE.items():
        op.drop_index(name, "booking", if_exists=True)
        op.create_index(name, "booking", columns)

"""Deadlines, and what a closure holds, are found in indexes of the rows that have one.

An order that is confirmed leaves those of deadlines, and its table is none that a closure holds: it is written to three
indexes less.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEXES = {
    "booking_waiting": ("booking", "decide_by", ["state", "decide_by"]),
    "booking_escalation": ("booking", "escalate_at", ["escalate_at"]),
    "occupancy_of_closure": ("occupancy", "closure_id", ["closure_id"]),
}
"""The table, the column that some rows have, and the columns before."""


def upgrade() -> None:
    for name, (table, column, _) in _INDEXES.items():
        is_set = sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, table, if_exists=True)
        op.create_index(name, table, [column], postgresql_where=is_set, sqlite_where=is_set)


def downgrade() -> None:
    for name, (table, _, before) in _INDEXES.items():
        op.drop_index(name, table, if_exists=True)
        op.create_index(name, table, before)

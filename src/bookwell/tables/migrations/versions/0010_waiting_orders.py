"""Orders that wait are found by their contact in indexes of theirs alone.

A booking that is decided leaves them, and is written to three indexes less. PostgreSQL is told that nobody's contact
stands on many bookings: it counts the empty ones too, and would plan for that many, each time anew.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = {"booking_email": "email", "booking_phone": "phone", "booking_address": "from_address"}
_WAITS = sa.text("state = 'requested'")


def upgrade() -> None:
    for name, column in _COLUMNS.items():
        op.drop_index(name, "booking", if_exists=True)
        op.create_index(name, "booking", [column], postgresql_where=_WAITS, sqlite_where=_WAITS)
        _tell_planner(f"ALTER TABLE booking ALTER COLUMN {column} SET (n_distinct = -0.1)")


def downgrade() -> None:
    for name, column in _COLUMNS.items():
        op.drop_index(name, "booking", if_exists=True)
        op.create_index(name, "booking", [column, "state"])
        _tell_planner(f"ALTER TABLE booking ALTER COLUMN {column} RESET (n_distinct)")


def _tell_planner(statement: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(statement)

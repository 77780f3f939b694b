"""A search finds what holds tables at a time by the time, for all tables at once.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {
    "occupancy_booked": (["starts_at", "ends_at", "table_id"], sa.text("kind = 'booking'")),
    "occupancy_closed": (["table_id", "ends_at", "starts_at"], sa.text("kind = 'closure'")),
}


def upgrade() -> None:
    for name, (columns, kind) in _INDEXES.items():
        op.create_index(name, "occupancy", columns, if_not_exists=True, postgresql_where=kind, sqlite_where=kind)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "occupancy", if_exists=True)

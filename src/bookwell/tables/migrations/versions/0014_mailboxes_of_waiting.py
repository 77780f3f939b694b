"""Orders that wait are given their mailboxes; of others none is counted.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BOOKING = sa.table("booking", *map(sa.column, ("id", "state", "email", "mailbox")))
_WAITS = (_BOOKING.c.state == "requested") & (_BOOKING.c.email != "")


def upgrade() -> None:
    connection = op.get_bind()
    for order in connection.execute(sa.select(_BOOKING).where(_WAITS)).all():
        local, at, domain = order.email.lower().rpartition("@")
        mailbox = f"{local.partition('+')[0] or local}{at}{domain}"
        connection.execute(_BOOKING.update().where(_BOOKING.c.id == order.id).values(mailbox=mailbox))


def downgrade() -> None:
    """Nothing to take back: the version before does not look at it."""

"""The floor, bookings, and what keeps two of them from one table.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_STATES = "'requested', 'confirmed', 'declined', 'expired', 'cancelled', 'seated', 'completed', 'no_show'"
_KINDS = (
    "(kind = 'booking' AND booking_id IS NOT NULL AND closure_id IS NULL)"
    " OR (kind = 'closure' AND closure_id IS NOT NULL AND booking_id IS NULL)"
)
_EXCLUSIONS = (
    "occupancy_bookings EXCLUDE USING gist (table_id WITH =, int8range(starts_at, ends_at) WITH &&) WHERE (kind = 'booking')",
    "occupancy_closures EXCLUDE USING gist (table_id WITH =, int8range(starts_at, ends_at) WITH &&, kind WITH <>)",
)
_TRIGGER = (
    "CREATE TRIGGER {name}_{event} BEFORE {event} ON occupancy WHEN {condition} EXISTS ("
    "SELECT 1 FROM occupancy WHERE table_id = NEW.table_id AND starts_at < NEW.ends_at AND ends_at > NEW.starts_at "
    "AND id IS NOT {itself} AND {others}) BEGIN SELECT RAISE(ABORT, '{name}'); END"
)


def upgrade() -> None:
    _create_floor()
    _create_closures()
    _create_bookings()
    _create_booking_details()
    _create_outbox()
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        for exclusion in _EXCLUSIONS:
            op.execute(f"ALTER TABLE occupancy ADD CONSTRAINT {exclusion}")
    else:
        _create_triggers()


def downgrade() -> None:
    for name in ("outbox", "guest_token", "booking_step", "booking", "occupancy", "closure"):
        op.drop_table(name)
    for name in ("table_price", "dining_table", "restaurant"):
        op.drop_table(name)


def _create_floor() -> None:
    op.create_table(
        "restaurant",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.execute("INSERT INTO restaurant (id, settings, version, updated_at) VALUES (1, '{}', 0, 0)")
    op.create_table(
        "dining_table",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("active_name", sa.String(100)),
        sa.Column("table_type", sa.String(16), nullable=False),
        sa.Column("seats", sa.Integer, nullable=False),
        sa.Column("can_be_booked", sa.Boolean, nullable=False),
        sa.Column("retired_at", sa.BigInteger),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("active_name", name="dining_table_name"),
        sa.CheckConstraint("table_type IN ('regular', 'cabin', 'room')", name="dining_table_type"),
        sa.CheckConstraint("seats > 0", name="dining_table_seats"),
    )
    op.create_index("dining_table_fit", "dining_table", ["seats", "id"])
    op.create_table(
        "table_price",
        sa.Column("table_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("valid_from", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="table_price_table"),
        sa.CheckConstraint("price >= 0", name="table_price_amount"),
    )


def _create_closures() -> None:
    op.create_table(
        "closure",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("table_id", sa.BigInteger),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("opened_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="closure_table"),
        sa.CheckConstraint("starts_at < ends_at", name="closure_period"),
    )
    op.create_index("closure_ahead", "closure", ["ends_at"])
    op.create_table(
        "occupancy",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("table_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("booking_id", sa.BigInteger),
        sa.Column("closure_id", sa.BigInteger),
        sa.ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="occupancy_table"),
        sa.ForeignKeyConstraint(["closure_id"], ["closure.id"], name="occupancy_closure"),
        sa.UniqueConstraint("booking_id", name="occupancy_booking"),
        sa.CheckConstraint("starts_at < ends_at", name="occupancy_period"),
        sa.CheckConstraint(_KINDS, name="occupancy_kind"),
    )
    op.create_index("occupancy_when", "occupancy", ["table_id", "ends_at", "starts_at"])
    op.create_index("occupancy_of_closure", "occupancy", ["closure_id"])


def _create_bookings() -> None:
    op.create_table(
        "booking",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("table_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("starts_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("party_size", sa.Integer, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("phone", sa.String(32), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("from_address", sa.String(64), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("slot_taken", sa.Boolean, nullable=False),
        sa.Column("decide_by", sa.BigInteger),
        sa.Column("escalate_at", sa.BigInteger),
        sa.Column("decided", sa.String(8)),
        sa.Column("decided_version", sa.BigInteger, nullable=False),
        sa.Column("backoffice_ref", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["table_id"], ["dining_table.id"], name="booking_table"),
        sa.CheckConstraint(f"state IN ({_STATES})", name="booking_state"),
        sa.CheckConstraint("starts_at < ends_at", name="booking_period"),
        sa.CheckConstraint("(state = 'requested') = (decide_by IS NOT NULL)", name="booking_deadline"),
    )
    op.create_index("booking_of_table", "booking", ["table_id", "state", "starts_at"])
    op.create_index("booking_when", "booking", ["starts_at", "id"])
    op.create_index("booking_waiting", "booking", ["state", "decide_by"])
    op.create_index("booking_escalation", "booking", ["escalate_at"])
    op.create_index("booking_email", "booking", ["email", "state"])
    op.create_index("booking_phone", "booking", ["phone", "state"])
    op.create_index("booking_address", "booking", ["from_address", "state"])


def _create_booking_details() -> None:
    op.create_table(
        "booking_step",
        sa.Column("booking_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name="booking_step_booking"),
    )
    op.create_table(
        "guest_token",
        sa.Column("digest", sa.CHAR(64), primary_key=True),
        sa.Column("booking_id", sa.BigInteger, nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["booking_id"], ["booking.id"], name="guest_token_booking"),
    )
    op.create_index("guest_token_of_booking", "guest_token", ["booking_id"])
    op.create_index("guest_token_expiry", "guest_token", ["expires_at"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("queue", sa.String(32), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("version", sa.SmallInteger, nullable=False),
        sa.Column("aggregate", sa.String(64), nullable=False),
        sa.Column("aggregate_version", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger),
        sa.Column("published_at", sa.BigInteger),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.UniqueConstraint("event_id", "queue", name="outbox_event_queue"),
    )
    op.create_index("outbox_waiting", "outbox", ["queue", "done_at", "next_attempt_at"])
    op.create_index("outbox_order", "outbox", ["aggregate", "aggregate_version"])


def _create_triggers() -> None:
    """SQLite has no exclusion constraints; these raise their names."""
    rules = {
        "occupancy_bookings": ("NEW.kind = 'booking' AND", "kind = 'booking'"),
        "occupancy_closures": ("", "kind <> NEW.kind"),
    }
    for name, (condition, others) in rules.items():
        for event, itself in (("INSERT", "NULL"), ("UPDATE", "OLD.id")):
            words = {"name": name, "event": event, "condition": condition, "itself": itself, "others": others}
            op.execute(_TRIGGER.format(**words))

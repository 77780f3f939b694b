"""Staff accounts and their sessions.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_ROLES = "'admin', 'staff', 'reader'"


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("username", sa.String(150), nullable=False),
        sa.Column("username_key", sa.String(150), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("username_key", name="account_username"),
        sa.CheckConstraint(f"role IN ({_ROLES})", name="account_role"),
        if_not_exists=True,
    )
    op.create_table(
        "token_session",
        sa.Column("sid", sa.String(36), primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("refresh_hash", sa.CHAR(64), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("rotated_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="token_session_account"),
        if_not_exists=True,
    )
    op.create_table(
        "login_failure",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("key", sa.CHAR(64), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )
    for name, table, columns in (
        ("token_session_of_account", "token_session", ["account_id"]),
        ("token_session_expiry", "token_session", ["expires_at"]),
        ("login_failure_key", "login_failure", ["key", "expires_at"]),
        ("login_failure_expiry", "login_failure", ["expires_at"]),
    ):
        op.create_index(name, table, columns, if_not_exists=True)


def downgrade() -> None:
    for name in ("login_failure", "token_session", "account"):
        op.drop_table(name)

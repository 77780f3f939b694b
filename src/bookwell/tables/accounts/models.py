"""Tables of accounts: people, their sessions, programs, log-ins that failed. Portable columns, as the floor's."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import CHAR

from bookwell.kit.usernames import LONGEST_USERNAME
from bookwell.tables.accounts.rules import Role
from bookwell.tables.schema import id_column, metadata

__all__ = ["account", "login_failure", "machine_client", "token_session"]

_ROLES = ", ".join(f"'{role.value}'" for role in Role)

# `username_key` is the folded name, so that uniqueness does not depend on a database's collation.
account = Table(
    "account",
    metadata,
    id_column(),
    Column("username", String(LONGEST_USERNAME), nullable=False),
    Column("username_key", String(LONGEST_USERNAME), nullable=False),
    Column("role", String(16), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("username_key", name="account_username"),
    CheckConstraint(f"role IN ({_ROLES})", name="account_role"),
    sqlite_autoincrement=True,
)

# A log-in: `refresh_hash` is the current refresh token's SHA-256, `generation` counts the rotations.
token_session = Table(
    "token_session",
    metadata,
    Column("sid", String(36), primary_key=True),
    Column("account_id", BigInteger, nullable=False),
    Column("refresh_hash", CHAR(64), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("rotated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    ForeignKeyConstraint(["account_id"], ["account.id"], name="token_session_account"),
    Index("token_session_of_account", "account_id"),
    Index("token_session_expiry", "expires_at"),
)

# A program that calls in its own name. Its secret is kept as a password is; the one before it for a while. `scopes` are
# parted by spaces.
machine_client = Table(
    "machine_client",
    metadata,
    Column("client_id", String(40), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("secret_hash", String(200), nullable=False),
    Column("former_hash", String(200)),
    Column("former_until", BigInteger),
    Column("scopes", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    UniqueConstraint("name", name="machine_client_name"),
)

# `key` is `rules.failure_keys`: who typed a password where a name belongs finds it nowhere.
login_failure = Table(
    "login_failure",
    metadata,
    id_column(),
    Column("key", CHAR(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("login_failure_key", "key", "expires_at"),
    Index("login_failure_expiry", "expires_at"),
)

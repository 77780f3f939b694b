"""Reads of accounts."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from bookwell.kit.adapters.sqlalchemy.statements import Statement, ask
from bookwell.kit.outbox.rules import instant_at, milliseconds
from bookwell.kit.usernames import fold_username
from bookwell.tables.accounts.models import account, login_failure, machine_client, token_session
from bookwell.tables.accounts.rules import failure_keys, lockout_seconds

__all__ = [
    "ClientSecrets",
    "Credentials",
    "LoginLimits",
    "find_client_secrets",
    "find_credentials",
    "find_lockout_seconds",
    "find_role_in_session",
    "find_scopes_of_client",
    "list_clients",
]


_ROLE_IN_SESSION = Statement(
    select(account.c.id, account.c.role)
    .join(token_session, token_session.c.account_id == account.c.id)
    .where(token_session.c.sid == bindparam("sid"), token_session.c.revoked_at.is_(None), account.c.is_active)
)


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many failed log-ins lock an account or an address out."""

    per_account: int
    per_address: int


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is held against."""

    account_id: int
    password_hash: str
    is_active: bool


def find_credentials(connection: Connection, username: str) -> Credentials | None:
    """The account of that name, in whatever case."""
    columns = select(account.c.id, account.c.password_hash, account.c.is_active)
    row = connection.execute(columns.where(account.c.username_key == fold_username(username))).one_or_none()
    return Credentials(row.id, row.password_hash, row.is_active) if row else None


def find_lockout_seconds(
    connection: Connection, *, username: str, address: str, limits: LoginLimits, now: dt.datetime
) -> int | None:
    """After how many seconds a log-in may be tried again; None when it may be tried now."""
    keys = failure_keys(username=username, address=address)
    chosen = select(login_failure.c.key, login_failure.c.expires_at).where(
        login_failure.c.key.in_(keys), login_failure.c.expires_at > milliseconds(now)
    )
    ends: dict[str, list[dt.datetime]] = {key: [] for key in keys}
    for row in connection.execute(chosen):
        ends[row.key].append(instant_at(row.expires_at))
    allowed = zip(keys, (limits.per_account, limits.per_address), strict=True)
    waits = [lockout_seconds(ends[key], allowed=count, now=now) for key, count in allowed]
    return max((wait for wait in waits if wait is not None), default=None)


def find_role_in_session(connection: Connection, sid: str, *, subject: str) -> str | None:
    """The role of an active account in a session that has not ended; one statement on every request.

    A log-out, a deactivation and another role count at once.
    """
    found = ask(connection, _ROLE_IN_SESSION(sid=sid))
    return next((row.role for row in found if str(row.id) == subject), None)


@dataclass(frozen=True, slots=True)
class ClientSecrets:
    """What a machine client's secret is held against, the present one first; and what the client may do."""

    hashes: Sequence[str]
    scopes: Sequence[str]


def find_client_secrets(connection: Connection, client_id: str, *, now: dt.datetime) -> ClientSecrets | None:
    """Those of a client that was not revoked."""
    client = machine_client.c
    row = connection.execute(
        select(client.secret_hash, client.former_hash, client.former_until, client.scopes).where(
            client.client_id == client_id, client.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    has_former = row.former_until is not None and row.former_until > milliseconds(now)
    return ClientSecrets([row.secret_hash, *([row.former_hash] if has_former else [])], row.scopes.split())


def find_scopes_of_client(connection: Connection, client_id: str) -> frozenset[str] | None:
    """What a client may do; None where there is none, or it was revoked: that counts at once."""
    granted = select(machine_client.c.scopes).where(
        machine_client.c.client_id == client_id, machine_client.c.revoked_at.is_(None)
    )
    scopes = connection.scalar(granted)
    return None if scopes is None else frozenset(scopes.split())


def list_clients(connection: Connection) -> Sequence[Row[Any]]:
    """Every machine client, by name."""
    return connection.execute(select(machine_client).order_by(machine_client.c.name)).all()

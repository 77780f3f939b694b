"""Row locks of accounts: the account before its sessions; machine clients for themselves."""

from typing import Any

from sqlalchemy import Connection, Row, or_, select

from bookwell.kit.machine_clients import ClientUnknown
from bookwell.kit.usernames import fold_username
from bookwell.tables.accounts.errors import AccountNotFound
from bookwell.tables.accounts.models import account, machine_client, token_session
from bookwell.tables.accounts.rules import Role

__all__ = ["lock_account", "lock_administrators", "lock_client", "lock_session", "share_unchanged"]


def lock_account(connection: Connection, username: str) -> Row[Any]:
    """Nobody else changes the account meanwhile.

    Raises:
        AccountNotFound: if there is none of that name.
    """
    chosen = select(account).where(account.c.username_key == fold_username(username))
    row = connection.execute(chosen.with_for_update()).one_or_none()
    if row is None:
        raise AccountNotFound
    return row


def lock_administrators(connection: Connection) -> frozenset[int]:
    """Ids of the active administrators, of whom none is changed meanwhile."""
    chosen = select(account.c.id).where(account.c.role == Role.ADMIN.value, account.c.is_active)
    return frozenset(connection.scalars(chosen.order_by(account.c.id).with_for_update()))


def lock_client(connection: Connection, name: str) -> Row[Any]:
    """A machine client by its name, or else its id, which nobody else changes meanwhile.

    Raises:
        ClientUnknown
    """
    chosen = select(machine_client).where(or_(machine_client.c.name == name, machine_client.c.client_id == name))
    rows = connection.execute(chosen.order_by(machine_client.c.client_id).with_for_update()).all()
    found = next((row for row in rows if row.name == name), rows[0] if rows else None)
    if found is None:
        raise ClientUnknown
    return found


def lock_session(connection: Connection, sid: str) -> Row[Any] | None:
    """A session, which nobody else refreshes or ends meanwhile."""
    chosen = select(token_session).where(token_session.c.sid == sid)
    return connection.execute(chosen.with_for_update()).one_or_none()


def share_unchanged(connection: Connection, *, account_id: int, password_hash: str) -> str | None:
    """The role of an active account that has this password still; nobody changes it meanwhile."""
    unchanged = (account.c.id == account_id) & (account.c.password_hash == password_hash)
    return connection.scalar(select(account.c.role).where(unchanged, account.c.is_active).with_for_update(read=True))

"""Accounts: create, give another password, deactivate. Passwords come hashed: see `accounts.passwords`."""

import datetime as dt

from sqlalchemy import Connection, insert, select, update

from bookwell.kit.outbox.rules import milliseconds
from bookwell.kit.usernames import check_username, fold_username
from bookwell.tables.accounts.errors import LastAdministrator, UsernameTaken
from bookwell.tables.accounts.locks import lock_account, lock_administrators
from bookwell.tables.accounts.models import account
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services.sessions import end_sessions_in_tx

__all__ = ["change_password", "create_account", "deactivate_account"]


def create_account(connection: Connection, *, username: str, password_hash: str, role: Role, now: dt.datetime) -> int:
    """Let somebody work here; the account's id.

    Raises:
        UsernameInvalid, UsernameTaken
    """
    check_username(username)
    key = fold_username(username)
    if connection.scalar(select(account.c.id).where(account.c.username_key == key)) is not None:
        raise UsernameTaken
    values = {"username": username, "username_key": key, "role": role.value, "password_hash": password_hash}
    made = insert(account).values(**values, is_active=True, created_at=milliseconds(now), version=1)
    return int(connection.execute(made.returning(account.c.id)).scalar_one())


def change_password(connection: Connection, *, username: str, password_hash: str, now: dt.datetime) -> None:
    """Another password; every session of the account ends.

    Raises:
        AccountNotFound
    """
    row = lock_account(connection, username)
    connection.execute(
        update(account).where(account.c.id == row.id).values(password_hash=password_hash, version=account.c.version + 1)
    )
    end_sessions_in_tx(connection, account_id=row.id, now=now)


def deactivate_account(connection: Connection, *, username: str, now: dt.datetime) -> None:
    """Let somebody work here no more; every session ends at once. Twice is no error.

    Raises:
        AccountNotFound
        LastAdministrator: if nobody would be left to administer the restaurant.
    """
    administrators = lock_administrators(connection)
    row = lock_account(connection, username)
    if administrators == {row.id}:
        raise LastAdministrator
    ended = update(account).where(account.c.id == row.id, account.c.is_active)
    connection.execute(ended.values(is_active=False, version=account.c.version + 1))
    end_sessions_in_tx(connection, account_id=row.id, now=now)

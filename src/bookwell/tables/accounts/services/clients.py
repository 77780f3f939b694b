"""Machine clients: add, give another secret, revoke. Secrets come hashed: see `accounts.passwords`."""

import datetime as dt
from collections.abc import Collection

from sqlalchemy import Connection, insert, select, update

from bookwell.kit.machine_clients import ClientNameTaken, ClientUnknown
from bookwell.kit.outbox.rules import milliseconds
from bookwell.tables.accounts.locks import lock_client
from bookwell.tables.accounts.models import machine_client

__all__ = ["add_client", "change_secret", "revoke_client"]


def add_client(
    connection: Connection, *, client_id: str, name: str, secret_hash: str, scopes: Collection[str], now: dt.datetime
) -> None:
    """Let a program in, with some scopes.

    Raises:
        ClientNameTaken
    """
    if connection.scalar(select(machine_client.c.client_id).where(machine_client.c.name == name)) is not None:
        raise ClientNameTaken
    values = {"client_id": client_id, "name": name, "secret_hash": secret_hash, "scopes": " ".join(sorted(set(scopes)))}
    connection.execute(insert(machine_client).values(**values, created_at=milliseconds(now)))


def change_secret(
    connection: Connection, *, name: str, secret_hash: str, both_until: dt.datetime, now: dt.datetime
) -> str:
    """Give a client, by its name or id, another secret; the one before is good until `both_until`. Its id.

    Raises:
        ClientUnknown: also for one that was revoked.
    """
    client = lock_client(connection, name)
    if client.revoked_at is not None:
        raise ClientUnknown("This machine client was revoked.")
    is_kept = both_until > now
    former = {
        "former_hash": client.secret_hash if is_kept else None,
        "former_until": milliseconds(both_until) if is_kept else None,
    }
    changed = update(machine_client).where(machine_client.c.client_id == client.client_id)
    connection.execute(changed.values(secret_hash=secret_hash, **former))
    return str(client.client_id)


def revoke_client(connection: Connection, *, name: str, now: dt.datetime) -> None:
    """Let a program in no more, by its name or id: at once. Revoking twice is no error.

    Raises:
        ClientUnknown
    """
    client = lock_client(connection, name)
    if client.revoked_at is None:
        ended = update(machine_client).where(machine_client.c.client_id == client.client_id)
        connection.execute(ended.values(revoked_at=milliseconds(now)))

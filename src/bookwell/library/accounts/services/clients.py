"""Machine clients: add, give another secret, revoke. Secrets come hashed, as `accounts.passwords` does it."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from bookwell.kit.machine_clients import (
    ClientNameTaken,
    ClientUnknown,
    check_client_name,
    check_scopes,
)
from bookwell.library.accounts.locks import lock_client
from bookwell.library.accounts.models import MachineClient
from bookwell.library.accounts.rules import Scope
from bookwell.library.audit.services import SYSTEM, Change, record_in_tx

__all__ = ["add_client", "revoke_client", "rotate_secret"]

_NO_NUMBER = 0


def add_client(
    *,
    client_id: str,
    secret_hash: str,
    name: str,
    scopes: Collection[str],
    now: dt.datetime,
    actor_id: int = SYSTEM,
) -> None:
    """Let a program in, with some scopes.

    Raises:
        ClientNameInvalid, ClientNameTaken, ScopeUnknown
    """
    name = check_client_name(name)
    check_scopes(scopes, known=tuple(Scope))
    if MachineClient.objects.filter(name=name).exists():
        raise ClientNameTaken
    MachineClient.objects.create(
        client_id=client_id,
        name=name,
        secret_hash=secret_hash,
        scopes=" ".join(sorted(set(scopes))),
        created_at=now,
    )
    _record("client.added", client_id, actor_id, scopes=sorted(set(scopes)))


def rotate_secret(
    *, name: str, secret_hash: str, both_for: dt.timedelta, now: dt.datetime, actor_id: int = SYSTEM
) -> str:
    """Give a client, by its name or id, another secret; the one before is good for a while besides. Its id.

    Raises:
        ClientUnknown: also for one that was revoked.
    """
    client = lock_client(name)
    if client.revoked_at is not None:
        raise ClientUnknown("This machine client was revoked.")
    client.former_hash, client.former_until = (client.secret_hash, now + both_for) if both_for else (None, None)
    client.secret_hash = secret_hash
    client.save(update_fields=["secret_hash", "former_hash", "former_until"])
    _record("client.secret_rotated", client.pk, actor_id)
    return client.pk


def revoke_client(*, name: str, now: dt.datetime, actor_id: int = SYSTEM) -> None:
    """Let a program in no more, by its name or id: at once in the library, elsewhere when its tokens end.

    Revoking twice is no error.

    Raises:
        ClientUnknown
    """
    client = lock_client(name)
    if client.revoked_at is None:
        client.revoked_at = now
        client.save(update_fields=["revoked_at"])
        _record("client.revoked", client.pk, actor_id)


def _record(action: str, client_id: str, actor_id: int, **data: Any) -> None:
    """Clients have no number: the entry's data tells which it is."""
    record_in_tx([Change(action, "client", _NO_NUMBER, {"client_id": client_id, **data})], actor_id=actor_id)

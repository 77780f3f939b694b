"""Machine clients: add, revoke."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from django.contrib.auth.hashers import make_password

from bookwell.kit.machine_clients import ClientNameTaken, ClientUnknown, NewClient, check_client_name, check_scopes
from bookwell.library.accounts.models import MachineClient
from bookwell.library.accounts.rules import Scope
from bookwell.library.audit.services import SYSTEM, Change, record_in_tx

__all__ = ["add_client", "revoke_client"]

_NO_NUMBER = 0


def add_client(*, name: str, scopes: Collection[str], now: dt.datetime, actor_id: int = SYSTEM) -> NewClient:
    """Let a program in, with some scopes.

    Raises:
        ClientNameInvalid, ClientNameTaken, ScopeUnknown
    """
    name = check_client_name(name)
    check_scopes(scopes, known=tuple(Scope))
    if MachineClient.objects.filter(name=name).exists():
        raise ClientNameTaken
    new = NewClient.made()
    MachineClient.objects.create(
        client_id=new.client_id,
        name=name,
        secret_hash=make_password(new.secret),
        scopes=" ".join(sorted(set(scopes))),
        created_at=now,
    )
    _record("client.added", new.client_id, actor_id, scopes=sorted(set(scopes)))
    return new


def revoke_client(*, name: str, now: dt.datetime, actor_id: int = SYSTEM) -> None:
    """Let a program in no more, by its name or id: at once in the library, elsewhere when its tokens end.

    Revoking twice is no error.

    Raises:
        ClientUnknown
    """
    client = MachineClient.objects.filter(name=name).first() or MachineClient.objects.filter(pk=name).first()
    if client is None:
        raise ClientUnknown
    if client.revoked_at is None:
        client.revoked_at = now
        client.save(update_fields=["revoked_at"])
        _record("client.revoked", client.pk, actor_id)


def _record(action: str, client_id: str, actor_id: int, **data: Any) -> None:
    """Clients have no number: the entry's data tells which it is."""
    record_in_tx([Change(action, "client", _NO_NUMBER, {"client_id": client_id, **data})], actor_id=actor_id)

"""Every row lock of accounts. Order: administrators by id, then the user, then sessions. A client stands alone."""

from bookwell.kit.machine_clients import ClientUnknown
from bookwell.library.accounts.errors import UserNotFound
from bookwell.library.accounts.models import MachineClient, TokenSession, User
from bookwell.library.accounts.rules import Role

__all__ = ["lock_administrators", "lock_client", "lock_session", "lock_user"]


def lock_user(user_id: int) -> User:
    """Lock a user's row until the transaction ends.

    Raises:
        UserNotFound: if there is none, or it was deleted.
    """
    user = User.objects.select_for_update().filter(pk=user_id, deleted_at__isnull=True).first()
    if user is None:
        raise UserNotFound
    return user


def lock_administrators() -> frozenset[int]:
    """Lock the active administrators in the order of their ids; their ids.

    They are looked for before and locked by their keys: to look for them while locking is, on MySQL, to wait for every
    reader's row. One who became an administrator in between is not counted.
    """
    administrators = User.objects.filter(role=Role.ADMIN, is_active=True)
    found = list(administrators.order_by("pk").values_list("pk", flat=True))
    rows = administrators.select_for_update().filter(pk__in=found).order_by("pk")
    return frozenset(rows.values_list("pk", flat=True))


def lock_session(session_id: str) -> TokenSession | None:
    """Lock a session's row until the transaction ends."""
    return TokenSession.objects.select_for_update().filter(pk=session_id).first()


def lock_client(name: str) -> MachineClient:
    """Lock a machine client's row until the transaction ends, by its name or id.

    Raises:
        ClientUnknown
    """
    clients = MachineClient.objects.select_for_update()
    client = clients.filter(name=name).first() or clients.filter(pk=name).first()
    if client is None:
        raise ClientUnknown
    return client

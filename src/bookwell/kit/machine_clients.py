"""Machine clients: programs that call in their own name, with some scopes. Each service keeps its own."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

from bookwell.kit.errors import Conflict, Invalid, NotFound

__all__ = [
    "ClientNameInvalid",
    "ClientNameTaken",
    "ClientToken",
    "ClientUnknown",
    "NewClient",
    "ScopeRefused",
    "ScopeUnknown",
    "check_client_name",
    "check_scopes",
    "chosen_scopes",
    "new_secret",
]

_LONGEST_NAME = 100
_ID_BYTES, _SECRET_BYTES = 16, 32


class ClientNameInvalid(Invalid):
    """Nobody could read the name, or it does not fit."""

    code = "client.name_invalid"
    title = "This is no name of a machine client"


class ClientNameTaken(Conflict):
    """There is a machine client of this name, revoked or not."""

    code = "client.name_taken"
    title = "Another machine client has this name"


class ClientUnknown(NotFound):
    """There is no machine client of this name or id."""

    code = "client.not_found"
    title = "No such machine client"


class ScopeUnknown(Invalid):
    """No operation asks for such a scope."""

    code = "client.scope_unknown"
    title = "There is no such scope"


class ScopeRefused(Exception):
    """The client asks for a scope that it does not have."""


@dataclass(frozen=True, slots=True)
class NewClient:
    """Told once: the secret is not kept."""

    client_id: str
    secret: str

    @classmethod
    def made(cls) -> Self:
        """Random, both."""
        return cls(secrets.token_hex(_ID_BYTES), new_secret())

    def __str__(self) -> str:
        """For whoever has asked for it."""
        return f"client_id      {self.client_id}\nclient_secret  {self.secret}"


@dataclass(frozen=True, slots=True)
class ClientToken:
    """An access token, for how many seconds and for what."""

    access: str
    seconds: int
    scopes: Sequence[str]


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def check_client_name(name: str) -> str:
    """The name without blanks around it.

    Raises:
        ClientNameInvalid
    """
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ClientNameInvalid(f"A name has 1 to {_LONGEST_NAME} visible characters.")
    return name


def check_scopes(scopes: Collection[str], *, known: Sequence[str]) -> None:
    """Allow scopes that some operation asks for, at least one.

    Raises:
        ScopeUnknown
    """
    unknown = set(scopes) - set(known)
    if unknown or not scopes:
        raise ScopeUnknown(f"There are {', '.join(known)}; not {', '.join(sorted(unknown)) or 'none'}.")


def chosen_scopes(asked: Collection[str], *, granted: Sequence[str]) -> Sequence[str]:
    """The scopes of a token: those asked for, all that the client has where it asks for none.

    Raises:
        ScopeRefused
    """
    if not set(asked) <= set(granted):
        raise ScopeRefused
    return sorted(set(asked)) or granted

"""The samples of a demo: what each service loads into its empty database, and people who can log in everywhere."""

import json
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bookwell.kit.private_files import write_private
from bookwell.kit.settings import CommonSettings

__all__ = [
    "DEMO_FILE",
    "DEMO_USERS",
    "SAMPLED",
    "list_empty",
    "load_samples",
    "read_demo_file",
    "users_told",
    "write_demo_file",
]

DEMO_FILE = "demo.json"
_PASSWORD_BYTES = 12

DEMO_USERS: Mapping[str, str] = MappingProxyType(
    {
        "admin": "admin",
        "librarian": "librarian",
        "staff": "staff",
        "reader": "reader",
        "customer": "reader",
        "josh": "reader",
        "mike": "reader",
    }
)
"""Roles by username; the same people in the library and in the restaurant."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """What a service loads; `load` takes the passwords of `DEMO_USERS`, and does nothing unless it is empty still."""

    is_empty: Callable[[], bool]
    load: Callable[[Mapping[str, str]], None]


def read_demo_file(folder: Path) -> dict[str, Any]:
    """The addresses and users written at an earlier start; empty when there was none."""
    file = folder / DEMO_FILE
    document: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return document


def users_told(folder: Path) -> list[str]:
    """The demo's people as lines for a terminal: role, name and password."""
    users = read_demo_file(folder).get("users", [])
    return [f"  {user['role']:<10} {user['username']:<10} {user['password']}" for user in users]


def write_demo_file(folder: Path, document: dict[str, Any]) -> None:
    """Replace `demo.json` whole; only its owner may read it."""
    write_private(folder / DEMO_FILE, f"{json.dumps(document, indent=2)}\n".encode())


def load_samples(folder: Path, services: Collection[str]) -> None:
    """Load the samples of some services into those of their databases that are empty.

    The passwords are in `demo.json` before any database knows them, and stay there: whenever this is killed, and
    whichever services come later, they are the same everywhere.
    """
    empty = list_empty(services)
    if not empty:
        return
    passwords = _passwords(folder)
    for name in empty:
        _SAMPLES[name]().load(passwords)


def list_empty(services: Collection[str]) -> list[str]:
    """Those of some services whose databases nobody uses yet; none of those without people."""
    return [name for name in services if name in _SAMPLES and _SAMPLES[name]().is_empty()]


def _passwords(folder: Path) -> Mapping[str, str]:
    document = read_demo_file(folder)
    users = document.get("users")
    if not users:
        one_for_all = CommonSettings.load().demo_password.get_secret_value()
        made = {name: one_for_all or secrets.token_urlsafe(_PASSWORD_BYTES) for name in DEMO_USERS}
        users = [{"role": role, "username": name, "password": made[name]} for name, role in DEMO_USERS.items()]
        write_demo_file(folder, document | {"users": users})
    return {user["username"]: user["password"] for user in users}


def _library() -> _Sample:
    from bookwell.library.demo import is_empty, load_demo  # noqa: PLC0415 -- Django must be set up first

    return _Sample(is_empty, lambda passwords: load_demo(passwords=passwords))


def _tables() -> _Sample:
    from bookwell.tables.db import Database  # noqa: PLC0415 -- needs the extra
    from bookwell.tables.sample import is_empty, load_sample  # noqa: PLC0415 -- the same
    from bookwell.tables.settings import TablesSettings  # noqa: PLC0415 -- the same

    @contextmanager
    def opened() -> Iterator[Database]:
        database = Database.of_url(TablesSettings.load().database_url)
        try:
            yield database
        finally:
            database.engine.dispose()

    def has_nothing() -> bool:
        with opened() as database:
            return database.read(is_empty)

    def load(passwords: Mapping[str, str]) -> None:
        with opened() as database:
            load_sample(database, passwords=passwords, roles=DEMO_USERS)

    return _Sample(has_nothing, load)


_SAMPLES: Mapping[str, Callable[[], _Sample]] = MappingProxyType({"library": _library, "tables": _tables})
SAMPLED = tuple(_SAMPLES)
"""The services that have a sample."""
